/** What the log has of what is looked for, a page at a time. */
import { asApiError } from '../api'
import { Value } from '../value'
import { loadDeeds, type Deed, type Wanted } from './server'

export interface Listing {
  /** Null until the first answer. */
  deeds: Deed[] | null
  next: number | null
  trouble: string | null
  busy: boolean
}

export class Entries {
  readonly listing = new Value<Listing>({ deeds: null, next: null, trouble: null, busy: false })
  /** What is listed was looked for by this. */
  #wanted: Wanted = { who: '', action: '', from: null, to: null }
  /** Counts what is looked for: an answer to what was before is late. */
  #turn = 0

  async seek(wanted: Wanted): Promise<void> {
    const turn = ++this.#turn
    this.#set({ busy: true })
    try {
      const { entries, next } = await loadDeeds(wanted, null)
      if (turn !== this.#turn) return
      this.#wanted = wanted
      this.#set({ deeds: entries, next, trouble: null, busy: false })
    } catch (cause) {
      this.#fail(turn, cause)
    }
  }

  /** How many older ones have come; null when none did, or something else is looked for by now. */
  async more(): Promise<number | null> {
    if (this.listing.now.busy) return null
    const turn = this.#turn
    this.#set({ busy: true })
    try {
      const { entries, next } = await loadDeeds(this.#wanted, this.listing.now.next)
      if (turn !== this.#turn) return null
      this.#set({ deeds: [...(this.listing.now.deeds ?? []), ...entries], next, trouble: null, busy: false })
      return entries.length
    } catch (cause) {
      this.#fail(turn, cause)
      return null
    }
  }

  #fail(turn: number, cause: unknown): void {
    if (turn === this.#turn) this.#set({ trouble: asApiError(cause).message, busy: false })
  }

  #set(part: Partial<Listing>): void {
    this.listing.set({ ...this.listing.now, ...part })
  }
}
