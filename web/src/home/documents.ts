/** The documents of a place: asked for a page at a time, and kept fresh. */
import { announce } from '../announce'
import { ApiError, asApiError, deleteDocument, listDocuments, searchTexts, type DocumentEntry, type FolderEntry, type Found } from '../api'
import { allUnsent, dropCopy, placeOf } from '../editor/offline'
import { Value } from '../value'
import { count } from '../when'
import { TOP, type Place } from './place'

export interface Listing {
  /** What this is the answer to. */
  place: Place
  /** Null until the first answer. */
  documents: DocumentEntry[] | null
  folders: FolderEntry[]
  next: string | null
  /** What was found in texts; null while nothing is searched, or not yet. */
  texts: Texts | null
  busy: boolean
  more: boolean
  error: ApiError | null
}

export interface Texts {
  found: Found[]
  next: string | null
  isComplete: boolean
  /** Why there is nothing. */
  error: ApiError | null
}

const PAGE = 50
const MOST = 200
const SEARCH_MS = 180
const FRESH_MS = 10_000
const NOTHING: Omit<Listing, 'place'> = { documents: null, folders: [], next: null, texts: null, busy: true, more: false, error: null }

const same = (a: Place, b: Place) => JSON.stringify(a) === JSON.stringify(b)
/** What the trash has is listed elsewhere. */
const listed = (place: Place) => (place.view === 'folder' || place.view === 'trash' ? { folder: '', q: '', ...place, view: 'folder' as const } : { view: place.view })
const searched = (place: Place) => place.view === 'folder' && place.q !== ''

export class Documents {
  readonly listing = new Value<Listing>({ place: TOP, ...NOTHING })
  #place: Place = TOP
  #abort: AbortController | null = null
  #timer = 0

  start(): () => void {
    const fresh = window.setInterval(() => {
      const { busy, more, error } = this.listing.now
      // What is searched stays in its order while somebody looks at it.
      if (document.visibilityState === 'visible' && !busy && !more && (error || !searched(this.#place))) void this.load()
    }, FRESH_MS)
    const seen = () => document.visibilityState === 'visible' && void this.load()
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

  /** Fetches as many as are shown, so that a refresh never shortens the list. */
  async load(): Promise<void> {
    if (this.#place.view === 'trash') return
    this.#abort?.abort()
    const abort = (this.#abort = new AbortController())
    const place = this.#place
    const stays = same(place, this.listing.now.place)
    const shown = stays ? (this.listing.now.documents?.length ?? 0) : 0
    this.#set({ busy: true })
    const texts = place.view === 'folder' && place.q ? this.#texts(place, abort.signal) : Promise.resolve(null)
    try {
      const page = await listDocuments({ ...listed(place), limit: Math.min(MOST, Math.max(PAGE, shown)), signal: abort.signal })
      const found = await texts
      if (abort.signal.aborted) return
      this.#set({ place, documents: page.documents, folders: page.folders ?? [], next: page.next, texts: found, busy: false, error: null })
    } catch (error) {
      if (abort.signal.aborted) return
      this.#set({ ...(stays ? {} : { place, ...NOTHING }), busy: false, error: asApiError(error) })
    }
  }

  async #texts(place: { q: string; folder: string }, signal: AbortSignal, cursor: string | null = null): Promise<Texts> {
    try {
      const page = await searchTexts({ ...place, cursor, signal })
      return { found: page.documents, next: page.next, isComplete: page.is_complete, error: null }
    } catch (error) {
      return { found: [], next: null, isComplete: true, error: asApiError(error) }
    }
  }

  async more(): Promise<void> {
    const { next, place, documents } = this.listing.now
    if (!next) return
    this.#set({ more: true })
    try {
      const page = await listDocuments({ ...listed(place), cursor: next, limit: PAGE })
      const known = new Set(documents?.map((d) => d.name))
      this.#set({ documents: [...(documents ?? []), ...page.documents.filter((d) => !known.has(d.name))], next: page.next, more: false })
      announce(count(page.documents.length, 'more document'))
    } catch (error) {
      this.#set({ more: false, error: asApiError(error) })
    }
  }

  async moreTexts(): Promise<void> {
    const { place, texts } = this.listing.now
    if (place.view !== 'folder' || !texts?.next) return
    this.#set({ more: true })
    const page = await this.#texts(place, new AbortController().signal, texts.next)
    const now = this.listing.now.texts
    this.#set({ more: false, texts: now === texts ? { ...page, found: [...texts.found, ...page.found] } : now })
    announce(count(page.found.length, 'more text'))
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
