/** Who may do what with a document, or with all of a folder, as its owners see and change it. */
import { send, type Access } from '../api'
import { apiPath, encodeName } from '../name'

/** What is shared. The folder without a name has all documents in it. */
export type Shared = { document: string } | { folder: string }

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
  made_by: { login: string; name: string } | null
  /** Whoever made it may still share this: as long as they may not, it leads nowhere. */
  is_backed: boolean
}

export interface InheritedLink extends ShareLink {
  folder: string
  /** It can be taken back, at its folder. */
  may_revoke: boolean
}

export interface Sharing {
  owner: { login: string; name: string } | null
  grants: Grant[]
  links: ShareLink[]
  inherited: Inherited[]
  inherited_links: InheritedLink[]
  /** Whoever looks may say whose it is. */
  may_hand_over: boolean
}

/** Where something was given that is seen below. */
export const fromFolder = ({ folder }: { folder: string }) => (folder === '' ? 'Given for all documents' : `Given for the folder ${folder}`)

export const ACCESS_WORDS: Record<Access, string> = { read: 'May read', comment: 'May comment', edit: 'May edit', own: 'May share it, too' }

function path(of: Shared, tail: string): string {
  if ('document' in of) return `${apiPath(of.document)}/${tail}`
  return of.folder === '' ? `/api/folders/${tail}` : `/api/folders/${encodeName(of.folder)}/${tail}`
}

/** As it is called in a sentence. */
export const wordOf = (of: Shared) => ('document' in of ? 'document' : 'folder')

export const loadSharing = (of: Shared) => send<Sharing>('GET', path(of, 'sharing'))

export function partyOf(grant: Party): Party {
  if ('person' in grant) return { person: grant.person }
  return 'group' in grant ? { group: grant.group } : { everyone: true }
}

export const sameParty = (a: Party, b: Party) => JSON.stringify(partyOf(a)) === JSON.stringify(partyOf(b))

export const setAccess = (of: Shared, party: Party, access: Access | 'none') => send<Sharing>('PUT', path(of, 'sharing'), { ...partyOf(party), access })

export const handOver = (of: Shared, login: string) => send<Sharing>('PUT', path(of, 'sharing'), { owner: login })

export const makeLink = (of: Shared, link: { access: Access; days?: number; password?: string }) =>
  send<{ id: number | string; url: string }>('POST', path(of, 'links'), link)

export const revokeLink = (of: Shared, id: number | string) => send<void>('DELETE', path(of, `links/${id}`))
