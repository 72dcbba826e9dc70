/**
 * What this browser keeps of documents: the name of the copy's database, and beside it how many of its
 * edits are unsent. Every open page has its own entry, so that two tabs never overwrite each other's
 * number; a later page adopts the entries it finds. Each account has a shelf of its own: nobody reads in
 * a shared browser what another has read there.
 */
import { account } from '../account/identity'
import { forget, keep, kept, recall } from '../kept'

/** Where the copy of a document is. */
export interface Place {
  name: string
  /** Ends up in the names of the database and of the entries; empty without an account. */
  shelf: string
}

const shelfOf = (login: string | undefined) => (login === undefined ? '' : `@${encodeURIComponent(login)}`)
const entry = ({ name, shelf }: Place, page: string) => `unsent${shelf}:${encodeURIComponent(name)}:${page}`

/** What was typed before there were accounts belongs to whoever comes back to it. */
export function placeOf(name: string): Place {
  const before = { name, shelf: '' }
  return kept(entry(before, '')).length > 0 ? before : { name, shelf: shelfOf(account()?.login) }
}

/** The numbers a page found when it opened the document. */
export interface Adopted {
  total: number
  entries: Map<string, number>
}

export function adopt(place: Place): Adopted {
  const entries = new Map<string, number>()
  for (const key of kept(entry(place, ''))) entries.set(key, recall(key, 0))
  return { total: [...entries.values()].reduce((a, b) => a + b, 0), entries }
}

/** Drops what was adopted, once it is saved. An entry that has moved on belongs to a page still open. */
export function release(adopted: Adopted): void {
  for (const [key, count] of adopted.entries) if (recall(key, 0) === count) forget(key)
  adopted.entries.clear()
}

export function note(place: Place, page: string, count: number): void {
  if (count > 0) keep(entry(place, page), count)
  else forget(entry(place, page))
}

/** The database that holds the offline copy of a document. */
export const database = ({ name, shelf }: Place) => `ropewalk${shelf}:${name}`

/** Forgets the copy and its unsent edits. */
export function dropCopy(place: Place): Promise<void> {
  for (const key of kept(entry(place, ''))) forget(key)
  return dropDatabase(database(place))
}

function dropDatabase(name: string): Promise<void> {
  return new Promise((done) => {
    if (!('indexedDB' in window)) return done()
    const request = indexedDB.deleteDatabase(name)
    request.onsuccess = request.onerror = request.onblocked = () => done()
  })
}

/** Unsent edits of every document in this browser. */
export function allUnsent(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const shelf of new Set(['', shelfOf(account()?.login)])) {
    for (const key of kept(`unsent${shelf}:`)) {
      const name = decodeURIComponent(key.split(':')[1] ?? '')
      counts.set(name, (counts.get(name) ?? 0) + recall(key, 0))
    }
  }
  return counts
}

/** Held as long as a page has a copy open: one that is deleted under it is lost to it. */
export function holdCopy(place: Place): () => void {
  let release = () => {}
  const held = new Promise<void>((done) => (release = done))
  void navigator.locks?.request(database(place), { mode: 'shared' }, () => held).catch(() => {})
  return release
}

/** Notes that somebody signs out: what they have read goes when no page of theirs is open any more. */
export function leave(login: string): void {
  keep('left', login)
}

/** Drops the copies of who signed out here last, but those with edits that are only here. */
export async function sweep(): Promise<void> {
  const login = recall<string | null>('left', null)
  // Pages that are not served securely cannot know what others have open.
  if (login === null || !navigator.locks) return
  forget('left')
  const shelf = shelfOf(login)
  const prefix = database({ name: '', shelf })
  const all = await indexedDB.databases?.().catch(() => []) ?? []
  for (const { name } of all) {
    if (!name?.startsWith(prefix) || kept(entry({ name: name.slice(prefix.length), shelf }, '')).length > 0) continue
    await navigator.locks.request(name, { ifAvailable: true }, (lock) => lock && dropDatabase(name))
  }
}
