/** Who may do what with a document, as its owners see and change it. */
import { send, type Access } from '../api'
import { encodeName } from '../name'

/** Whom something is shared with. */
export type Party = { person: string } | { group: string } | { everyone: true }

export type Grant = Party & { name?: string; access: Access }
export type Inherited = Grant & { folder: string }

export interface ShareLink {
  id: number | string
  access: Access
  has_password: boolean
  expires_at: number | null
  made_at: number
}

export interface Sharing {
  owner: { login: string; name: string } | null
  grants: Grant[]
  links: ShareLink[]
  inherited: Inherited[]
}

export const ACCESS_WORDS: Record<Access, string> = { read: 'May read', comment: 'May comment', edit: 'May edit', own: 'May share it, too' }

const path = (name: string, tail: string) => `/api/documents/${encodeName(name)}/${tail}`

export const loadSharing = (name: string) => send<Sharing>('GET', path(name, 'sharing'))

export function partyOf(grant: Party): Party {
  if ('person' in grant) return { person: grant.person }
  return 'group' in grant ? { group: grant.group } : { everyone: true }
}

export const sameParty = (a: Party, b: Party) => JSON.stringify(partyOf(a)) === JSON.stringify(partyOf(b))

export const setAccess = (name: string, party: Party, access: Access | 'none') => send<Sharing>('PUT', path(name, 'sharing'), { ...partyOf(party), access })

export const makeLink = (name: string, link: { access: Access; days?: number; password?: string }) =>
  send<{ id: number | string; url: string }>('POST', path(name, 'links'), link)

export const revokeLink = (name: string, id: number | string) => send<void>('DELETE', path(name, `links/${id}`))
