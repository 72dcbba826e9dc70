/** The windows of an account, fetched when one is opened. */
import './account.css'
import { Dialog } from '../ui/dialog'
import { Folk } from './folk'
import { account } from './identity'
import { Linked } from './linked'
import { Password } from './password'
import { Profile } from './profile'
import { Sessions } from './sessions'
import { Tokens } from './tokens'

export type WindowName = 'profile' | 'password' | 'sessions' | 'tokens' | 'people' | 'linked'

const TITLES: Record<WindowName, string> = {
  profile: 'Your name and colour', password: 'Change your password', sessions: 'Where you are signed in', tokens: 'API tokens', people: 'People and groups', linked: 'Signing in',
}

export function AccountWindow({ name, onClose }: { name: WindowName; onClose: () => void }) {
  const person = account()
  if (!person) return null
  const wide = name === 'sessions' || name === 'tokens' || name === 'people'
  return (
    <Dialog title={TITLES[name]} onClose={onClose} wide={wide}>
      {name === 'profile' && <Profile person={person} onDone={onClose} />}
      {name === 'password' && <Password login={person.login} onDone={onClose} />}
      {name === 'linked' && <Linked />}
      {name === 'sessions' && <Sessions />}
      {name === 'tokens' && <Tokens />}
      {name === 'people' && <Folk me={person.login} />}
    </Dialog>
  )
}
