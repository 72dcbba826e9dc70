/** Who the server knows this browser as. */
import { call, send } from '../api'
import { become } from '../person'
import { Value } from '../value'

export interface Account {
  login: string
  name: string
  /** As `#rrggbb`; null as long as none was chosen. */
  color: string | null
  is_admin: boolean
  /** There is one that can be changed. */
  has_password: boolean
}

/** `provider` is the name of another system whose accounts count here, if there is one. */
export type Identity = { provider?: string } & (
  | { state: 'open' | 'setup' | 'signed_out' | 'guest' }
  | { state: 'signed_in'; person: Account }
)

/** `open` until the server was asked: a server that cannot say lets nobody in by that. */
export const identity = new Value<Identity>({ state: 'open' })

/** The account in use, if there is one. */
export function account(now: Identity = identity.now): Account | null {
  return now.state === 'signed_in' ? now.person : null
}

/** Takes over what the server says. */
export function recognise(now: Identity): Identity {
  identity.set(now)
  if (now.state === 'signed_in') become(now.person.name, now.person.color)
  return now
}

export async function learn(): Promise<Identity> {
  return recognise(await call<Identity>('/api/session'))
}

export async function signIn(login: string, password: string): Promise<Identity> {
  return recognise(await send<Identity>('POST', '/api/session', { login, password }))
}

export async function signOut(): Promise<void> {
  await send('DELETE', '/api/session')
}
