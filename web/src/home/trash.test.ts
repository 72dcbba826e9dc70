import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { identity } from '../account/identity'
import { keepsTrash, undoDeletion } from './trash-api'

const one = (id: number, name = `${id}`, login?: string) => ({ id, name, length: 1, deleted_at: 1000 - id, deleted_by: login === undefined ? null : { login, name: login }, expires_at: null, is_name_free: true })
const signIn = (login: string) => identity.set({ state: 'signed_in', person: { login, name: login, color: null, is_admin: false } })

/** What the server is asked, and what it answers in turn; null is no answer at all. */
let asked: string[]
let answers: (object | null)[]

beforeEach(() => {
  asked = []
  answers = []
  vi.stubGlobal('fetch', async (path: string, { method = 'GET' }: RequestInit) => {
    asked.push(`${method} ${path}`)
    const answer = answers.shift()
    if (!answer) throw new TypeError('Failed to fetch')
    return Response.json(answer)
  })
})
afterEach(() => {
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
