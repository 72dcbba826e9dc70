/** Groups of people, as the server tells them. */
import { send } from '../api'

export interface Group {
  id: number
  name: string
  members: { login: string; name: string }[]
}

const at = (id: number) => `/api/groups/${id}`
const member = (id: number, login: string) => `${at(id)}/members/${encodeURIComponent(login)}`

export const listGroups = async () => (await send<{ groups: Group[] }>('GET', '/api/groups')).groups
export const makeGroup = (name: string) => send<Group>('POST', '/api/groups', { name })
export const renameGroup = (id: number, name: string) => send<Group>('PATCH', at(id), { name })
export const deleteGroup = (id: number) => send<void>('DELETE', at(id))
export const putIn = (id: number, login: string) => send<void>('PUT', member(id, login))
export const takeOut = (id: number, login: string) => send<void>('DELETE', member(id, login))
