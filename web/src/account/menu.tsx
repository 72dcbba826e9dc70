/** The account in use, in the header of every page. */
import { useState } from 'preact/hooks'
import type { ComponentType } from 'preact'
import { asApiError } from '../api'
import { leave } from '../editor/offline'
import { me } from '../person'
import { Avatar } from '../ui/avatar'
import { KeyIcon, Link, Lock, PeopleIcon, PersonIcon, Server, SignOut, System } from '../ui/icons'
import { Item, Popover } from '../ui/popover'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { identity, signOut, type Account } from './identity'
import type { WindowName } from './windows'

type AccountWindow = ComponentType<{ name: WindowName; onClose: () => void }>

export function AccountMenu({ person }: { person: Account }) {
  const shown = useValue(me)
  const { provider } = useValue(identity)
  const [busy, setBusy] = useState(false)
  const [Window, setWindow] = useState<AccountWindow | null>(null)
  const [opened, setOpened] = useState<WindowName | null>(null)
  const open = (name: WindowName) => import('./windows').then((m) => {
    setWindow(() => m.AccountWindow)
    setOpened(name)
  }, () => say('That part could not be loaded. Reload the page when the server is back.'))
  const out = async () => {
    setBusy(true)
    try {
      await signOut()
      leave(person.login)
      location.assign('/')
    } catch (error) {
      say(`Still signed in. ${asApiError(error).message}`)
    }
    setBusy(false)
  }
  return (
    <>
      <Popover role="menu" label={`You are ${person.name}. Your account`} buttonTitle={`${person.name} (you)`} buttonClass="avatar-button" button={<Avatar {...shown} />} testid="me">
        {(close) => {
          const then = (name: WindowName) => () => {
            close()
            void open(name)
          }
          return (
            <>
              <div class="menu-part who" role="none"><b>{person.name}</b><span>{person.login}</span></div>
              <hr class="menu-line" />
              <Item icon={<PersonIcon />} onChoose={then('profile')}>Name and colour</Item>
              {person.has_password && <Item icon={<Lock />} onChoose={then('password')}>Password</Item>}
              {provider && <Item icon={<Link />} onChoose={then('linked')}>Sign in with {provider}</Item>}
              <Item icon={<System />} onChoose={then('sessions')}>Where you are signed in</Item>
              <Item icon={<KeyIcon />} onChoose={then('tokens')}>API tokens</Item>
              {person.is_admin && <Item icon={<PeopleIcon />} onChoose={then('people')}>People and groups</Item>}
              {person.is_admin && <Item icon={<Server />} onChoose={() => location.assign('/admin')}>Server</Item>}
              <hr class="menu-line" />
              <Item icon={<SignOut />} disabled={busy} onChoose={() => void out()}>Sign out</Item>
            </>
          )
        }}
      </Popover>
      {Window && opened && <Window name={opened} onClose={() => setOpened(null)} />}
    </>
  )
}
