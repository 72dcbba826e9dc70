/** What a search has found in texts, and how that is said. */
import type { ApiError, Found } from '../api'

export interface Texts {
  found: Found[]
  next: string | null
  isComplete: boolean
  /** Why there is nothing, or no more than this. */
  error: ApiError | null
}

/** Why texts were not searched; null where they never are. */
export function unsearched({ code, message }: ApiError, q: string): string | null {
  switch (code) {
    case 'not_found': return null
    // The server takes 256 bytes and 16 words.
    case 'bad_query': return /[\p{Alphabetic}\p{N}]/u.test(q) ? 'This is too long to look for in the texts: take fewer words.' : 'There is no word in this to look for in the texts.'
    case 'too_broad': return 'Too many texts have this: type more of it to look inside them.'
    default: return `The texts could not be searched. ${message}`
  }
}

/** Where nothing was found. An index that is not whole, or cannot be read, is no answer. */
export function lookedIn(texts: Texts | null): string {
  return texts && !texts.error && texts.isComplete ? 'Neither in the names nor in the texts' : 'Not in the names'
}
