import { afterEach, beforeEach, expect, describe, it, vi } from 'vitest'
import { Entries } from './entries'

const deed = (id: number, action: string) => ({ id, at_ms: id, person: 1, who: 'ann', action, about: null, address: null })
const wanted = (action: string) => ({ who: '', action, from: null, to: null })

let asked: { query: URLSearchParams; answer(ids: number[], next: number | null): void; fail(): void }[]

beforeEach(() => {
  asked = []
  vi.stubGlobal('fetch', (path: string) => new Promise<Response>((done, failed) => {
    const query = new URL(path, 'http://ropewalk').searchParams
    const action = query.get('action') ?? ''
    asked.push({ query, answer: (ids, next) => done(Response.json({ entries: ids.map((id) => deed(id, action)), next })), fail: () => failed(new TypeError('Failed to fetch')) })
  }))
})
afterEach(() => vi.unstubAllGlobals())

const listed = ({ listing }: Entries) => listing.now.deeds?.map(({ id, action }) => `${action} ${id}`)

async function listing(action: string, ids: number[], next: number | null): Promise<Entries> {
  const entries = new Entries()
  const sought = entries.seek(wanted(action))
  asked[0]!.answer(ids, next)
  await sought
  return entries
}

describe('the log', () => {
  it('has older entries below', async () => {
    const entries = await listing('shared', [9, 8], 8)
    const more = entries.more()
    expect([asked[1]!.query.get('action'), asked[1]!.query.get('before')]).toEqual(['shared', '8'])
    asked[1]!.answer([5], null)
    expect(await more).toBe(1)
    expect(listed(entries)).toEqual(['shared 9', 'shared 8', 'shared 5'])
    expect(entries.listing.now).toMatchObject({ next: null, busy: false })
  })

  it('has nothing of what was looked for before, whichever answer is first', async () => {
    for (const first of ['older', 'other'] as const) {
      asked = []
      const entries = await listing('shared', [9, 8], 8)
      const more = entries.more()
      const sought = entries.seek(wanted('deleted'))
      const [, older, other] = asked
      if (first === 'older') older!.answer([5], null)
      other!.answer([7], 7)
      await sought
      older!.answer([5], null)
      expect(await more, first).toBeNull()
      expect(listed(entries), first).toEqual(['deleted 7'])
      expect(entries.listing.now).toMatchObject({ next: 7, busy: false })
    }
  })

  it('does not go on with what was before while something else is looked for', async () => {
    const entries = await listing('shared', [9, 8], 8)
    const sought = entries.seek(wanted('deleted'))
    expect(await entries.more()).toBeNull()
    expect(asked.length).toBe(2)
    asked[1]!.answer([], null)
    await sought
    expect(listed(entries)).toEqual([])
  })

  it('goes on with what is seen when something else could not be had', async () => {
    const entries = await listing('shared', [9, 8], 8)
    const sought = entries.seek(wanted('deleted'))
    asked[1]!.fail()
    await sought
    expect(entries.listing.now).toMatchObject({ trouble: 'The server cannot be reached.', busy: false })
    const more = entries.more()
    asked[2]!.answer([5], null)
    await more
    expect(listed(entries)).toEqual(['shared 9', 'shared 8', 'shared 5'])
  })
})
