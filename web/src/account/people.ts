/** The people with accounts here, as the server tells them to each other. */
import { call, send, type Access } from '../api'
import type { Token } from './token'

export interface PersonEntry {
  login: string
  name: string
  is_admin: boolean
  is_disabled: boolean
}

export interface OpenInvitation {
  id: number
  kind: 'first' | 'person' | 'reset'
  login: string | null
  name: string | null
  is_admin: boolean
  /** Their names. */
  groups: string[]
  expires_at: number
}

/** What an administrator passes on. */
export interface Passed {
  url: string
  expires_at: number
}

/** A browser that somebody is signed in with. */
export interface Session {
  id: number
  agent: string | null
  address: string | null
  begun_at: number
  seen_at: number
}

/** A link that somebody has made to documents. */
export interface MadeLink {
  id: number
  for: string
  access: Access
  has_password: boolean
  made_at: number
  expires_at: number | null
}

const at = (login: string) => `/api/people/${encodeURIComponent(login)}`

/** A page of them, and after whom the next one begins. */
export const pageOfPeople = (q: string, after?: string) => call<{ people: PersonEntry[]; next: string | null }>(`/api/people?${new URLSearchParams({ q, ...(after !== undefined && { after }) })}`)

export const findPeople = async (q: string): Promise<PersonEntry[]> => (await pageOfPeople(q)).people

export const changePerson = (login: string, change: { is_disabled?: boolean; is_admin?: boolean }) => send<PersonEntry>('PATCH', at(login), change)
export const resetPassword = (login: string) => send<Passed>('POST', `${at(login)}/reset`)

export const documentsOf = (login: string) => send<{ documents: { name: string; is_trashed: boolean }[]; next: number | null }>('GET', `${at(login)}/documents`)

/** Hands over all that belongs to somebody, in as many steps as it takes; tells how many that were, and how many could not be. */
export async function handAllOver(login: string, to: string): Promise<{ handed: number; failed: number }> {
  const done = { handed: 0, failed: 0 }
  for (let after: number | null = null; ;) {
    const step: { handed: number; failed: number; next: number | null } = await send('POST', `${at(login)}/documents`, { to, ...(after !== null && { after }) })
    done.handed += step.handed
    done.failed += step.failed
    if (step.next === null) return done
    after = step.next
  }
}

export const linksOf = (login: string, before?: number) => send<{ links: MadeLink[]; next: number | null }>('GET', `${at(login)}/links${before === undefined ? '' : `?before=${before}`}`)
export const sessionsOf = async (login: string) => (await send<{ sessions: Session[] }>('GET', `${at(login)}/sessions`)).sessions
export const endSessionOf = (login: string, id: number) => send<void>('DELETE', `${at(login)}/sessions/${id}`)
export const tokensOf = async (login: string) => (await send<{ tokens: Token[] }>('GET', `${at(login)}/tokens`)).tokens
export const revokeTokenOf = (login: string, id: number) => send<void>('DELETE', `${at(login)}/tokens/${id}`)
export const revokeLinkOf = (login: string, id: number) => send<void>('DELETE', `${at(login)}/links/${id}`)

export const invite = (wanted: { login?: string; name?: string; is_admin?: boolean; groups?: number[]; days?: number }) => send<Passed & { id: number }>('POST', '/api/invitations', wanted)
export const openInvitations = async () => (await send<{ invitations: OpenInvitation[] }>('GET', '/api/invitations')).invitations
export const takeBack = (id: number) => send<void>('DELETE', `/api/invitations/${id}`)
