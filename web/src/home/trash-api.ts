/** Deleted documents, which can come back. */
import { send } from '../api'

export interface Trashed {
  id: number
  name: string
  length: number
  deleted_at: number
  deleted_by: { login: string; name: string } | null
  expires_at: number | null
  is_name_free: boolean
}

export interface TrashPage {
  documents: Trashed[]
  next: string | null
  /** For how many days they are kept; 0: not at all. */
  days: number
}

export function listTrash(query: { q?: string; cursor?: string; limit?: number } = {}): Promise<TrashPage> {
  const params = new URLSearchParams(Object.entries(query).filter(([, value]) => value !== undefined && value !== '').map(([key, value]) => [key, String(value)]))
  return send('GET', `/api/trash?${params}`)
}

/** The name it has now. */
export const restore = async (id: number, name?: string) => (await send<{ name: string }>('POST', `/api/trash/${id}/restore`, name === undefined ? {} : { name })).name
export const removeForGood = (id: number) => send<void>('DELETE', `/api/trash/${id}`)
export const emptyTrash = () => send<{ removed: number; is_empty: boolean }>('DELETE', '/api/trash')

/** Takes a deletion back. */
export async function undoDeletion(name: string): Promise<void> {
  const { documents } = await listTrash({ q: name, limit: 200 })
  const newest = documents.find((one) => one.name === name)
  if (newest) await restore(newest.id)
}

let kept: Promise<boolean> | null = null

/** Whether what is deleted can come back. */
export function keepsTrash(): Promise<boolean> {
  return (kept ??= listTrash({ limit: 1 }).then(({ days }) => days > 0, () => {
    kept = null
    return false
  }))
}
