/** An API token in words. */
import type { Access } from '../api'
import { ago, end } from '../when'
import { reachOf } from './reach'

export interface Token {
  id: number
  name: string
  access: Access
  for: string
  expires_at?: number | null
  used_at?: number | null
}

export const MAY: [Access, string][] = [['read', 'May read'], ['edit', 'May edit'], ['own', 'May do all that you may']]

/** Of somebody else `who` is not `you`. */
export function tokenWords(token: Token, who = 'you'): (string | null)[] {
  const may = (MAY.find(([access]) => access === token.access)?.[1] ?? token.access).replace('you', who)
  return [
    `${may}: ${reachOf(token.for)}`,
    token.expires_at ? `until ${end(token.expires_at)}` : null,
    token.used_at === undefined ? null : token.used_at === null ? 'never used' : `last used ${ago(token.used_at)}`,
  ]
}
