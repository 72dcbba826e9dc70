import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { identity } from '../account/identity'
import { keepsTrash, undoDeletion } from './trash-api'
import { TrashList } from './trash-list'

const one = (id: number, name = `${id}`, login?: string) => ({ id, name, length: 1, deleted_at: 1000 - id, deleted_by: login === undefined ? null : { login, name: login }, expires_at: null, is_name_free: true })
const some = (...ids: number[]) => ids.map((id) => one(id))
const signIn = (login: string) => identity.set({ state: 'signed_in', person: { login, name: login, color: null, is_admin: false, has_password: true } })

/** What the server is asked, and what it answers in turn; null is no answer at all. */
let asked: string[]
let answers: (object | null)[]

beforeEach(() => {
  asked = []
  answers = []
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('document', { visibilityState: 'visible' })
  vi.stubGlobal('fetch', async (path: string, { method = 'GET' }: RequestInit) => {
    asked.push(`${method} ${path}`)
    const answer = answers.shift()
    if (!answer) throw new TypeError('Failed to fetch')
    return Response.json(answer)
  })
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
  identity.set({ state: 'open' })
})

describe('a deletion that is taken back', () => {
  it('is one’s own, also if another has deleted a later one', async () => {
    signIn('ann')
    answers = [{ documents: [one(9, 'plan.md', 'bob'), one(8, 'old plan.md', 'ann'), one(7, 'plan.md', 'ann'), one(6, 'plan.md', 'ann')], next: null, days: 30 }, { name: 'plan.md' }]
    await undoDeletion('plan.md')
    expect(asked.at(-1)).toBe('POST /api/trash/7/restore')
  })

  it('is nobody’s where there are no accounts', async () => {
    answers = [{ documents: [one(9, 'plan.md')], next: null, days: 30 }, { name: 'plan.md' }]
    await undoDeletion('plan.md')
    expect(asked.at(-1)).toBe('POST /api/trash/9/restore')
  })

  it('is not said to be back when it is not there', async () => {
    answers = [{ documents: [], next: null, days: 0 }]
    await expect(undoDeletion('plan.md')).rejects.toThrow('What you deleted is not in the trash.')
  })

  it('is offered as the server is now', async () => {
    answers = [{ documents: [], next: null, days: 30 }, { documents: [], next: null, days: 0 }, null]
    expect([await keepsTrash(), await keepsTrash(), await keepsTrash()]).toEqual([true, false, false])
  })
})

describe('the list of the trash', () => {
  const ids = ({ listing }: TrashList) => listing.now.page?.documents.map(({ id }) => id)
  const loaded = async (page: object) => {
    const list = new TrashList()
    answers = [page]
    await list.load()
    return list
  }

  it('has nothing more of what went while more was fetched', async () => {
    const list = await loaded({ documents: some(1, 2, 3), next: '3', days: 30 })
    answers = [{ documents: some(4, 5), next: null, days: 30 }]
    const more = list.more()
    list.drop(1)
    list.drop(2)
    expect(await more).toBe(2)
    expect(ids(list)).toEqual([3, 4, 5])
    expect(asked.at(-1)).toBe('GET /api/trash?cursor=3')
  })

  it('tries again by itself, as it says', async () => {
    vi.useFakeTimers()
    const list = new TrashList()
    const stop = list.start()
    await vi.advanceTimersByTimeAsync(0)
    expect(list.listing.now).toMatchObject({ page: null, busy: false, error: { code: 'unreachable' } })
    answers = [{ documents: some(1), next: null, days: 30 }]
    await vi.advanceTimersByTimeAsync(10_000)
    expect(list.listing.now).toMatchObject({ busy: false, error: null })
    expect(ids(list)).toEqual([1])
    await vi.advanceTimersByTimeAsync(60_000)
    expect(asked.length).toBe(2)
    stop()
  })

  it('says that it is trying', async () => {
    const list = new TrashList()
    const trying = list.load()
    expect(list.listing.now.busy).toBe(true)
    await trying
    expect(list.listing.now.busy).toBe(false)
  })

  it('is empty once it was emptied, and has the rest where that was not all', async () => {
    const list = await loaded({ documents: some(1, 2), next: '2', days: 30 })
    answers = [{ removed: 1000, is_empty: false }, { documents: some(7), next: null, days: 30 }]
    expect(await list.empty()).toBe(1000)
    expect(ids(list)).toEqual([7])
    answers = [{ removed: 1, is_empty: true }]
    expect(await list.empty()).toBeNull()
    expect(list.listing.now.page).toMatchObject({ documents: [], next: null, days: 30 })
  })
})
