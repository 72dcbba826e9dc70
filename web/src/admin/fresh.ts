/** Something that is fetched again and again while the page is in sight. */
import { useEffect } from 'preact/hooks'
import { useFetched, type Fetched } from '../account/listed'

export function useFresh<T>(fetch: () => Promise<T>, everyMs: number): Fetched<T> {
  const fetched = useFetched(fetch)
  useEffect(() => {
    let busy = false
    const again = async () => {
      if (busy || document.visibilityState !== 'visible') return
      busy = true
      await fetched.load()
      busy = false
    }
    const timer = window.setInterval(() => void again(), everyMs)
    return () => window.clearInterval(timer)
  }, [])
  return fetched
}
