/** What a search has found in texts. */
import type { ApiError, Found } from '../api'

export interface Texts {
  found: Found[]
  next: string | null
  isComplete: boolean
  /** Why there is nothing, or no more than this. */
  error: ApiError | null
}
