/** What came of signing in with an account of another system, as the server says when it sends one back. */
import { Value } from '../value'

/** The server's word for how somebody has come back, or null. */
export const outcome = new Value<string | null>(null)

const MARK = '#oidc='

/** Takes that word out of the address, where it would be told once more with each reload. */
export function takeOutcome(): void {
  if (!location.hash.startsWith(MARK)) return
  outcome.set(location.hash.slice(MARK.length))
  history.replaceState(null, '', location.pathname + location.search)
}

export function explained(word: string, provider: string): string {
  switch (word) {
    case 'linked': return `From now on you can sign in with ${provider}.`
    case 'denied': return `${provider} did not sign you in: it was refused or cancelled there.`
    case 'expired': return 'That took too long, or it was done before. Try again.'
    case 'other_browser': return 'This was begun in another browser, or cookies are blocked here. Try again.'
    case 'unreachable': return `${provider} does not answer now. Try again in a moment.`
    case 'untrue': return `What ${provider} answered cannot be trusted. Whoever looks after this server finds in its log why.`
    case 'disabled': return 'Your account is disabled. Ask somebody who looks after the accounts here.'
    case 'not_invited': return `${provider} knows you, but there is no account for you here. Ask somebody who looks after the accounts for an invitation.`
    case 'linked_before': return `Your account is linked to another account of ${provider} already. Give that up first.`
    case 'taken': return `Somebody else here signs in with this account of ${provider}.`
    default: return 'You could not be signed in. Try again.'
  }
}
