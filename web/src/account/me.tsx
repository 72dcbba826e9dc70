/** Who one is here: an account, or the name that this browser goes by. */
import { account, identity } from './identity'
import { AccountMenu } from './menu'
import { useValue } from '../value'
import { Profile } from '../ui/profile'

export function Me() {
  const now = useValue(identity)
  const person = account(now)
  return person ? <AccountMenu person={person} /> : <Profile guest={now.state === 'guest'} />
}
