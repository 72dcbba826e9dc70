/** What it means that the server does not know this page any more: that depends on what it was known as. */
import { identity, type Identity } from './identity'

interface Said {
  title: string
  why: string
  /** In a line of state. */
  short: string
}

const SAID: Record<'guest' | 'open' | 'account', Said> = {
  guest: { title: 'The link that you came by has ended', why: 'The link was taken back, or its time is over. Ask whoever sent it for another one, or sign in if you have an account.', short: 'Link ended' },
  open: { title: 'This server has accounts now', why: 'Somebody made the first one, and nothing is open to everybody any more. Sign in if you have one, or ask whoever runs the server.', short: 'Sign in first' },
  account: { title: 'You were signed out', why: 'Sign in again to see your documents.', short: 'Signed out' },
}

export function ended(now: Identity = identity.now): Said {
  return SAID[now.state === 'guest' || now.state === 'open' ? now.state : 'account']
}
