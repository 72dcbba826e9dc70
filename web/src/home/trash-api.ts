/** Deleted documents, which can come back. */
import { account } from '../account/identity'
import { ApiError, send } from '../api'

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

/** Takes back what was deleted here: the newest of its name that is one's own. Another may have deleted a later one. */
export async function undoDeletion(name: string): Promise<void> {
  const { documents } = await listTrash({ q: name, limit: 200 })
  const login = account()?.login
  const newest = documents.find((one) => one.name === name && one.deleted_by?.login === login)
  if (!newest) throw new ApiError('not_found', 'What you deleted is not in the trash.')
  await restore(newest.id)
}

/** Whether what is deleted now can come back: the server may have been started anew without a trash. */
export function keepsTrash(): Promise<boolean> {
  return listTrash({ limit: 1 }).then(({ days }) => days > 0, () => false)
}
