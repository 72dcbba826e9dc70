/** A list that is fetched, in a window: until it is there, and when it cannot be had. */
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { asApiError, type ApiError } from '../api'

export interface Fetched<T> {
  now: T | null
  error: ApiError | null
  load(): Promise<void>
}

export function useFetched<T>(fetch: () => Promise<T>): Fetched<T> {
  const [now, setNow] = useState<T | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const load = async () => {
    try {
      setNow(await fetch())
      setError(null)
    } catch (cause) {
      setError(asApiError(cause))
    }
  }
  useEffect(() => void load(), [])
  return { now, error, load }
}

export function Listed<T>({ of, children }: { of: Fetched<T>; children: (now: T) => ComponentChildren }) {
  if (of.now !== null) return <>{children(of.now)}</>
  if (of.error) {
    return (
      <div class="listed" role="alert">
        <p>{of.error.message}</p>
        <button type="button" class="button" onClick={() => void of.load()}>Try again</button>
      </div>
    )
  }
  return <div class="listed" role="status" aria-label="Loading"><span class="skeleton" /><span class="skeleton" /></div>
}
