/** Signing in with an account of another system. */
import { useState } from 'preact/hooks'
import { send } from '../api'
import { useValue } from '../value'
import { useAttempt, waiting } from './attempt'
import { Complaint } from './fields'
import { identity } from './identity'
import { explained, outcome } from './outcome'

/** Goes to the provider; the page is left behind. */
export async function goThere(path: string, wanted: { next: string; invitation?: string; password?: string }): Promise<void> {
  const { url } = await send<{ url: string }>('POST', path, wanted)
  location.assign(url)
  // The page stays until the other one is there.
  await new Promise(() => {})
}

export const here = () => location.pathname + location.search

/** The button, where there is such a provider. `done` says what came of it the last time. */
export function Elsewhere({ invitation, done = true }: { invitation?: string; done?: boolean }) {
  const { provider } = useValue(identity)
  const last = useValue(outcome)
  const attempt = useAttempt()
  const [next] = useState(() => (invitation === undefined ? here() : '/'))
  if (!provider) return null
  const why = attempt.error?.message ?? (done && last !== null ? explained(last, provider) : null)
  const go = () => attempt.run(() => goThere('/api/oidc', { next, ...(invitation !== undefined && { invitation }) }))
  return (
    <div class="elsewhere">
      <button type="button" class="button" disabled={attempt.busy || attempt.wait > 0} onClick={() => void go()}>{waiting(attempt, `Sign in with ${provider}`)}</button>
      <Complaint>{why}</Complaint>
      <p class="elsewhere-or" aria-hidden="true"><span>or</span></p>
    </div>
  )
}
