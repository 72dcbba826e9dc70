/** The list of documents: searched on the server, fetched a page at a time, kept fresh. */
import { ApiError, asApiError, deleteDocument, listDocuments, type DocumentEntry } from '../api'
import { announce } from '../announce'
import { dropCopy, placeOf } from '../editor/offline'
import { Value } from '../value'
import { count } from '../when'

export interface Listing {
  /** Null until the first answer. */
  documents: DocumentEntry[] | null
  next: string | null
  /** The search the documents answer. */
  q: string
  busy: boolean
  more: boolean
  error: ApiError | null
}

const PAGE = 50
const MOST = 200
const SEARCH_MS = 180
const FRESH_MS = 10_000

export class Documents {
  readonly listing = new Value<Listing>({ documents: null, next: null, q: '', busy: true, more: false, error: null })
  #asked = ''
  #abort: AbortController | null = null
  #timer = 0

  start(): () => void {
    void this.load()
    const fresh = window.setInterval(() => {
      if (document.visibilityState === 'visible' && !this.listing.now.busy && !this.listing.now.more) void this.load()
    }, FRESH_MS)
    const seen = () => document.visibilityState === 'visible' && void this.load()
    document.addEventListener('visibilitychange', seen)
    return () => {
      window.clearInterval(fresh)
      document.removeEventListener('visibilitychange', seen)
    }
  }

  search(q: string): void {
    this.#asked = q.trim()
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => {
      void this.load().then(() => {
        const { documents, next, error } = this.listing.now
        if (documents && !error) announce(`${count(documents.length, 'document')}${next ? ' and more' : ''}`)
      })
    }, SEARCH_MS)
  }

  /** Fetches as many as are shown, so that a refresh never shortens the list. */
  async load(): Promise<void> {
    this.#abort?.abort()
    const abort = (this.#abort = new AbortController())
    const q = this.#asked
    const shown = q === this.listing.now.q ? (this.listing.now.documents?.length ?? 0) : 0
    this.#set({ busy: true })
    try {
      const page = await listDocuments({ q, limit: Math.min(MOST, Math.max(PAGE, shown)), signal: abort.signal })
      this.#set({ documents: page.documents, next: page.next, q, busy: false, error: null })
    } catch (error) {
      if (!abort.signal.aborted) this.#set({ busy: false, error: asApiError(error) })
    }
  }

  async more(): Promise<void> {
    const { next, q, documents } = this.listing.now
    if (!next) return
    this.#set({ more: true })
    try {
      const page = await listDocuments({ q, cursor: next, limit: PAGE })
      const known = new Set(documents?.map((d) => d.name))
      this.#set({ documents: [...(documents ?? []), ...page.documents.filter((d) => !known.has(d.name))], next: page.next, more: false })
      announce(`${count(page.documents.length, 'more document', 'more documents')}`)
    } catch (error) {
      this.#set({ more: false, error: asApiError(error) })
    }
  }

  async remove(name: string): Promise<void> {
    try {
      await deleteDocument(name)
    } catch (error) {
      if (!(error instanceof ApiError && (error.code === 'not_found' || error.code === 'deleted'))) throw error
    }
    await dropCopy(placeOf(name))
    this.#set({ documents: this.listing.now.documents?.filter((d) => d.name !== name) ?? null })
  }

  #set(part: Partial<Listing>): void {
    this.listing.set({ ...this.listing.now, ...part })
  }
}
