import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Documents } from './documents'
import { TOP, type Place } from './place'

interface Asked {
  path: string
  query: URLSearchParams
  answer(body: unknown): Promise<void>
  fail(code: string): Promise<void>
}

let asked: Asked[]

/** All that follows from an answer has happened. */
const settled = () => new Promise((done) => setTimeout(done))

beforeEach(() => {
  asked = []
  vi.stubGlobal('window', globalThis)
  vi.stubGlobal('document', { getElementById: () => null })
  vi.stubGlobal('fetch', (path: string, { signal }: RequestInit) => new Promise<Response>((done, failed) => {
    const url = new URL(path, 'http://ropewalk')
    const end = (response: Response) => {
      done(response)
      return settled().then(() => {})
    }
    signal?.addEventListener('abort', () => failed(signal.reason))
    asked.push({
      path: url.pathname, query: url.searchParams,
      answer: (body) => end(Response.json(body)),
      fail: (code) => end(Response.json({ code, message: `it is ${code}` }, { status: 503 })),
    })
  }))
})
afterEach(() => vi.unstubAllGlobals())

/** Those from one number to another, each edited before the one before it. */
const some = (from: number, to: number) => Array.from({ length: to - from }, (_, i) => ({ name: `${from + i}`, access: 'own', length: 1, created_at: 0, edited_at: 10_000 - from - i, people: 0 }))
const page = (from: number, to: number, next: string | null) => ({ documents: some(from, to), next })
const texts = (from: number, to: number, next: string | null, is_complete = true) => ({ documents: some(from, to).map((one) => ({ ...one, snippets: [] })), next, is_complete })
const names = ({ listing }: Documents) => listing.now.documents?.map(({ name }) => name)
const found = ({ listing }: Documents) => listing.now.texts?.found.map(({ name }) => name)
const upTo = (n: number) => some(0, n).map(({ name }) => name)

async function at(place: Place, first: unknown, alsoTexts?: unknown): Promise<Documents> {
  const documents = new Documents()
  documents.go(place, false)
  for (const one of asked.splice(0)) await one.answer(one.path === '/api/search' ? alsoTexts : first)
  return documents
}

/** The newest question. */
const last = () => asked.at(-1)!

describe('the list of documents', () => {
  it('has nothing of the place that one has left', async () => {
    const documents = await at(TOP, page(0, 50, 'more'))
    void documents.more()
    const late = last()
    documents.go({ view: 'shared' }, false)
    await last().answer(page(7, 8, 'other'))
    await late.answer(page(50, 60, null))
    expect(names(documents)).toEqual(['7'])
    expect(documents.listing.now).toMatchObject({ next: 'other', more: false, busy: false })
  })

  it('does not go on with what is shown until a search has its answer', async () => {
    const documents = await at(TOP, page(0, 50, 'more'))
    documents.go({ view: 'folder', folder: '', q: 'x' }, false)
    const before = asked.length
    await documents.more()
    expect(asked.length).toBe(before)
    for (const one of [...asked]) await one.answer(one.path === '/api/search' ? texts(0, 0, null) : page(3, 4, null))
    expect(names(documents)).toEqual(['3'])
  })

  it('is not cut by a refresh that was under way when more was asked for', async () => {
    const documents = await at(TOP, page(0, 50, 'more'))
    void documents.load()
    const refresh = last()
    void documents.more()
    await last().answer(page(50, 100, null))
    await refresh.answer(page(0, 50, 'more'))
    expect(names(documents)).toEqual(upTo(100))
    expect(documents.listing.now).toMatchObject({ more: false, busy: false })
  })

  it('stays as long as it is when it is refreshed', async () => {
    const documents = await at(TOP, page(0, 50, '50'))
    for (let to = 100; to <= 300; to += 50) {
      void documents.more()
      await last().answer(page(to - 50, to, `${to}`))
    }
    void documents.load()
    expect(last().query.get('limit')).toBe('200')
    // One below has come to the top, one of the top is gone, and the next takes its place.
    const [first, edited, ...others] = some(0, 200)
    await last().answer({ documents: [{ ...some(250, 251)[0]!, edited_at: 20_000 }, first, ...others.filter(({ name }) => name !== '9'), ...some(200, 201)], next: '200' })
    expect(names(documents)).toEqual(['250', ...upTo(300).filter((name) => !['250', '9', edited!.name].includes(name))])
    expect(documents.listing.now.next).toBe('300')
    // What is not there any more at all is not kept.
    void documents.load()
    await last().answer(page(0, 3, null))
    expect(names(documents)).toEqual(['0', '1', '2'])
    expect(documents.listing.now.next).toBeNull()
  })

  it('keeps what was found in texts when there is no more to be had', async () => {
    const documents = await at({ view: 'folder', folder: '', q: 'rope' }, page(0, 0, null), texts(0, 20, '20'))
    void documents.moreTexts()
    await last().fail('storage')
    expect(found(documents)).toEqual(upTo(20))
    expect(documents.listing.now).toMatchObject({ more: false, texts: { next: '20', error: { code: 'storage' } } })
    void documents.moreTexts()
    await last().answer(texts(20, 25, null))
    expect(found(documents)).toEqual(upTo(25))
    expect(documents.listing.now.texts).toMatchObject({ next: null, error: null })
  })

  it('fetches as many texts as are shown when one comes back to it', async () => {
    const documents = await at({ view: 'folder', folder: '', q: 'rope' }, page(0, 0, null), texts(0, 20, '20'))
    for (const [from, to] of [[20, 40], [40, 60]] as const) {
      void documents.moreTexts()
      await last().answer(texts(from, to, `${to}`))
    }
    asked = []
    void documents.load()
    const searches = () => asked.filter(({ path }) => path === '/api/search')
    await asked.find(({ path }) => path === '/api/documents')!.answer(page(0, 0, null))
    await searches()[0]!.answer(texts(0, 50, '50'))
    expect(found(documents)).toEqual(upTo(60))
    await searches()[1]!.answer(texts(50, 60, '60', false))
    expect(searches().map(({ query }) => [query.get('cursor'), query.get('limit')])).toEqual([[null, '50'], ['50', '10']])
    expect(found(documents)).toEqual(upTo(60))
    expect(documents.listing.now).toMatchObject({ busy: false, texts: { next: '60', isComplete: false, error: null } })
  })

  it('keeps it when it cannot be had anew, and not for another search', async () => {
    const documents = await at({ view: 'folder', folder: '', q: 'rope' }, page(0, 0, null), texts(0, 2, null))
    const again = async () => {
      for (const one of asked.splice(0)) await (one.path === '/api/search' ? one.fail('storage') : one.answer(page(0, 0, null)))
    }
    void documents.load()
    await again()
    expect(found(documents)).toEqual(['0', '1'])
    documents.go({ view: 'folder', folder: '', q: 'hemp' }, false)
    await again()
    expect(found(documents)).toEqual([])
  })
})
