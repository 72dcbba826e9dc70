/** What was deleted, as it is listed: a page at a time. */
import { asApiError, type ApiError } from '../api'
import { Value } from '../value'
import { emptyTrash, listTrash, type TrashPage } from './trash-api'

export interface TrashListing {
  /** Null until the first answer. */
  page: TrashPage | null
  busy: boolean
  error: ApiError | null
}

const AGAIN_MS = 10_000

export class TrashList {
  readonly listing = new Value<TrashListing>({ page: null, busy: false, error: null })

  /** Fetches it, and again for as long as it cannot be had. */
  start(): () => void {
    void this.load()
    const again = window.setInterval(() => {
      if (document.visibilityState === 'visible' && this.listing.now.error) void this.load()
    }, AGAIN_MS)
    return () => window.clearInterval(again)
  }

  async load(): Promise<void> {
    if (this.listing.now.busy) return
    this.#set({ busy: true })
    try {
      this.#set({ page: await listTrash(), error: null })
    } catch (error) {
      this.#set({ error: asApiError(error) })
    }
    this.#set({ busy: false })
  }

  /** How many have come. What has gone from the list meanwhile stays away. */
  async more(): Promise<number> {
    const next = await listTrash({ cursor: this.listing.now.page?.next ?? undefined })
    const shown = this.listing.now.page?.documents ?? []
    this.#set({ page: { ...next, documents: [...shown, ...next.documents] } })
    return next.documents.length
  }

  /** Takes one from the list that is in the trash no more. */
  drop(id: number): void {
    const { page } = this.listing.now
    this.#set({ page: page && { ...page, documents: page.documents.filter((one) => one.id !== id) } })
  }

  /** Removes all there is, or says how many it were. */
  async empty(): Promise<number | null> {
    const { removed, is_empty } = await emptyTrash()
    const { page } = this.listing.now
    if (is_empty) this.#set({ page: page && { ...page, documents: [], next: null } })
    else this.#set({ page: await listTrash() })
    return is_empty ? null : removed
  }

  #set(part: Partial<TrashListing>): void {
    this.listing.set({ ...this.listing.now, ...part })
  }
}
