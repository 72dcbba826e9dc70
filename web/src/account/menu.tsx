/** The account in use, in the header of every page. */
import { useState } from 'preact/hooks'
import { asApiError } from '../api'
import { leave } from '../editor/offline'
import { me } from '../person'
import { Avatar } from '../ui/avatar'
import { SignOut } from '../ui/icons'
import { Item, Popover } from '../ui/popover'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { signOut, type Account } from './identity'

export function AccountMenu({ person }: { person: Account }) {
  const shown = useValue(me)
  const [busy, setBusy] = useState(false)
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
    <Popover role="menu" label={`You are ${person.name}. Your account`} buttonTitle={`${person.name} (you)`} buttonClass="avatar-button" button={<Avatar {...shown} />} testid="me">
      {() => (
        <>
          <div class="menu-part who" role="none"><b>{person.name}</b><span>{person.login}</span></div>
          <hr class="menu-line" />
          <Item icon={<SignOut />} disabled={busy} onChoose={() => void out()}>Sign out</Item>
        </>
      )}
    </Popover>
  )
}
