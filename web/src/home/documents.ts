/** The documents of a place: asked for a page at a time, and kept fresh. */
import { announce } from '../announce'
import { ApiError, asApiError, deleteDocument, listDocuments, searchTexts, type DocumentEntry, type FolderEntry } from '../api'
import { allUnsent, dropCopy, placeOf } from '../editor/offline'
import { Value } from '../value'
import { count } from '../when'
import { TOP, type Place } from './place'
import type { Texts } from './texts'

export interface Listing {
  /** What this is the answer to. */
  place: Place
  /** Null until the first answer. */
  documents: DocumentEntry[] | null
  folders: FolderEntry[]
  /** Why some are not there. */
  damaged: string[]
  /** Whoever looks may begin a document in this folder; it is not told of views. */
  mayBegin: boolean
  next: string | null
  /** What was found in texts; null while nothing is searched, or not yet. */
  texts: Texts | null
  busy: boolean
  more: boolean
  error: ApiError | null
}

const PAGE = 50
const MOST = 200
/** What a search in texts answers, and can be asked for, at once. */
const FOUND = 20
const MOST_FOUND = 50
const SEARCH_MS = 180
const FRESH_MS = 10_000
const NOTHING: Omit<Listing, 'place'> = { documents: null, folders: [], damaged: [], mayBegin: false, next: null, texts: null, busy: true, more: false, error: null }

const same = (a: Place, b: Place) => JSON.stringify(a) === JSON.stringify(b)
/** What the trash has is listed elsewhere. */
const listed = (place: Place) => (place.view === 'folder' || place.view === 'trash' ? { folder: '', q: '', ...place, view: 'folder' as const } : { view: place.view })
const searched = (place: Place) => place.view === 'folder' && place.q !== ''
/** Those that come, and were not there yet. */
const added = <T extends { name: string }>(shown: T[], more: T[]) => [...shown, ...more.filter((one) => !shown.some(({ name }) => name === one.name))]
/** What was shown below the part that is fetched anew, and has not come into it since. */
function below(fresh: DocumentEntry[], shown: DocumentEntry[]): DocumentEntry[] {
  const oldest = fresh.at(-1)?.edited_at ?? 0
  return added(fresh, shown.filter((one) => one.edited_at <= oldest)).slice(fresh.length)
}

export class Documents {
  readonly listing = new Value<Listing>({ place: TOP, ...NOTHING })
  #place: Place = TOP
  /** What is under way: it ends when something else is asked for. */
  #asked = new AbortController()
  #timer = 0

  start(): () => void {
    const fresh = window.setInterval(() => {
      const { busy, more, error } = this.listing.now
      // What is searched stays in its order while somebody looks at it.
      if (document.visibilityState === 'visible' && !busy && !more && (error || !searched(this.#place))) void this.load()
    }, FRESH_MS)
    const seen = () => document.visibilityState === 'visible' && !this.listing.now.more && void this.load()
    document.addEventListener('visibilitychange', seen)
    return () => {
      window.clearInterval(fresh)
      window.clearTimeout(this.#timer)
      document.removeEventListener('visibilitychange', seen)
    }
  }

  /** Turns to a place: at once, or when nothing has been typed for a moment. */
  go(place: Place, typing: boolean): void {
    this.#place = place
    window.clearTimeout(this.#timer)
    if (place.view === 'trash') return
    if (!typing) return void this.load()
    this.#timer = window.setTimeout(() => {
      void this.load().then(() => {
        const { documents, next, texts, error } = this.listing.now
        if (!documents || error) return
        const inTexts = texts && !texts.error ? `, ${count(texts.found.length, 'text')}${texts.next ? ' and more' : ''} with these words` : ''
        announce(`${count(documents.length, 'document')}${next ? ' and more' : ''}${inTexts}`)
      })
    }, SEARCH_MS)
  }

  #begin(): AbortSignal {
    this.#asked.abort()
    this.#asked = new AbortController()
    return this.#asked.signal
  }

  /** Fetches as many as are shown and can be had at once, so that a refresh never shortens the list. */
  async load(): Promise<void> {
    if (this.#place.view === 'trash') return
    const signal = this.#begin()
    const place = this.#place
    const stays = same(place, this.listing.now.place)
    const shown = stays ? (this.listing.now.documents?.length ?? 0) : 0
    this.#set({ busy: true, more: false })
    const texts = place.view === 'folder' && place.q ? this.#texts(place, signal, stays) : Promise.resolve(null)
    try {
      const page = await listDocuments({ ...listed(place), limit: Math.min(MOST, Math.max(PAGE, shown)), signal })
      const found = await texts
      if (signal.aborted) return
      const rest = shown > MOST && page.next !== null ? below(page.documents, this.listing.now.documents ?? []) : []
      const next = rest.length > 0 ? this.listing.now.next : page.next
      this.#set({ place, documents: [...page.documents, ...rest], folders: page.folders ?? [], damaged: (page.damaged ?? []).map(({ why }) => why), mayBegin: page.may_begin ?? false, next, texts: found, busy: false, error: null })
    } catch (error) {
      if (signal.aborted) return
      this.#set({ ...(stays ? {} : { place, ...NOTHING }), busy: false, error: asApiError(error) })
    }
  }

  /** As much as is shown. What was found before stays in sight when it cannot be had anew. */
  async #texts(place: { q: string; folder: string }, signal: AbortSignal, stays: boolean): Promise<Texts> {
    try {
      const shown = Math.max(FOUND, (stays && this.listing.now.texts?.found.length) || 0)
      let texts: Texts = { found: [], next: null, isComplete: true, error: null }
      do {
        const limit = Math.min(MOST_FOUND, shown - texts.found.length)
        const page = await searchTexts({ ...place, cursor: texts.next, limit, signal })
        texts = { found: added(texts.found, page.documents), next: page.next, isComplete: texts.isComplete && page.is_complete, error: null }
      } while (texts.next !== null && texts.found.length < shown)
      return texts
    } catch (error) {
      const before = (stays && this.listing.now.texts) || { found: [], next: null, isComplete: true }
      return { ...before, error: asApiError(error) }
    }
  }

  async more(): Promise<void> {
    const { next, place } = this.listing.now
    // What is shown until a search has its answer is not what will be there.
    if (!next || !same(place, this.#place)) return
    const signal = this.#begin()
    this.#set({ busy: false, more: true })
    try {
      const page = await listDocuments({ ...listed(place), cursor: next, limit: PAGE, signal })
      if (signal.aborted) return
      this.#set({ documents: added(this.listing.now.documents ?? [], page.documents), next: page.next, more: false, error: null })
      announce(count(page.documents.length, 'more document'))
    } catch (error) {
      if (!signal.aborted) this.#set({ more: false, error: asApiError(error) })
    }
  }

  async moreTexts(): Promise<void> {
    const { place, texts } = this.listing.now
    if (place.view !== 'folder' || !texts?.next || !same(place, this.#place)) return
    const signal = this.#begin()
    this.#set({ busy: false, more: true })
    try {
      const page = await searchTexts({ ...place, cursor: texts.next, signal })
      if (signal.aborted) return
      const found = added(this.listing.now.texts?.found ?? [], page.documents)
      this.#set({ more: false, texts: { found, next: page.next, isComplete: page.is_complete, error: null } })
      announce(count(page.documents.length, 'more text'))
    } catch (error) {
      if (signal.aborted) return
      const why = asApiError(error)
      this.#set({ more: false, texts: { ...(this.listing.now.texts ?? texts), error: why } })
      announce(why.message)
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await deleteDocument(name)
    } catch (error) {
      if (!(error instanceof ApiError && (error.code === 'not_found' || error.code === 'deleted'))) throw error
    }
    // It may come back, and what was not sent with it.
    if (!allUnsent().get(name)) await dropCopy(placeOf(name))
    const { documents, texts } = this.listing.now
    const others = <T extends { name: string }>(all: T[]) => all.filter((d) => d.name !== name)
    this.#set({ documents: documents && others(documents), texts: texts && { ...texts, found: others(texts.found) } })
  }

  #set(part: Partial<Listing>): void {
    this.listing.set({ ...this.listing.now, ...part })
  }
}
