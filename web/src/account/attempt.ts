/** One act at a time that the server may refuse, and for how long it wants to hear of no other. */
import { useEffect, useState } from 'preact/hooks'
import { asApiError, type ApiError } from '../api'

export interface Attempt {
  busy: boolean
  /** Seconds until the server may be asked again. */
  wait: number
  error: ApiError | null
  /** Does it, unless something is under way. False when it failed. */
  run(act: () => Promise<void>): Promise<boolean>
  /** Says something without asking the server. */
  refuse(error: ApiError | null): void
}

export function useAttempt(): Attempt {
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<ApiError | null>(null)
  const [wait, setWait] = useState(0)
  useEffect(() => {
    if (wait === 0) return
    const timer = window.setTimeout(() => setWait(wait - 1), 1_000)
    return () => window.clearTimeout(timer)
  }, [wait])
  return {
    busy, wait, error,
    refuse: setError,
    async run(act) {
      if (busy || wait > 0) return false
      setBusy(true)
      setError(null)
      try {
        await act()
        return true
      } catch (cause) {
        const failed = asApiError(cause)
        setError(failed)
        setWait(failed.wait)
        return false
      } finally {
        setBusy(false)
      }
    },
  }
}

/** The words of a button that may have to wait. */
export function waiting({ wait }: Attempt, words: string): string {
  if (wait === 0) return words
  return wait < 100 ? `Wait ${wait} s` : `Wait ${Math.ceil(wait / 60)} min`
}
