/**
 * What this browser keeps of documents: the name of the copy's database, and beside it how many of its
 * edits are unsent. Every open page has its own entry, so that two tabs never overwrite each other's
 * number; a later page adopts the entries it finds.
 */
import { forget, keep, kept, recall } from '../kept'

const entry = (name: string, page: string) => `unsent:${encodeURIComponent(name)}:${page}`

/** The numbers a page found when it opened the document. */
export interface Adopted {
  total: number
  entries: Map<string, number>
}

export function adopt(name: string): Adopted {
  const entries = new Map<string, number>()
  for (const key of kept(entry(name, ''))) entries.set(key, recall(key, 0))
  return { total: [...entries.values()].reduce((a, b) => a + b, 0), entries }
}

/** Drops what was adopted, once it is saved. An entry that has moved on belongs to a page still open. */
export function release(adopted: Adopted): void {
  for (const [key, count] of adopted.entries) if (recall(key, 0) === count) forget(key)
  adopted.entries.clear()
}

export function note(name: string, page: string, count: number): void {
  if (count > 0) keep(entry(name, page), count)
  else forget(entry(name, page))
}

/** The database that holds the offline copy of a document. */
export const database = (name: string) => `ropewalk:${name}`

/** Forgets the copy and its unsent edits. */
export function dropCopy(name: string): Promise<void> {
  for (const key of kept(entry(name, ''))) forget(key)
  return new Promise((done) => {
    if (!('indexedDB' in window)) return done()
    const request = indexedDB.deleteDatabase(database(name))
    request.onsuccess = request.onerror = request.onblocked = () => done()
  })
}

/** Unsent edits of every document in this browser. */
export function allUnsent(): Map<string, number> {
  const counts = new Map<string, number>()
  for (const key of kept('unsent:')) {
    const name = decodeURIComponent(key.split(':')[1] ?? '')
    counts.set(name, (counts.get(name) ?? 0) + recall(key, 0))
  }
  return counts
}
