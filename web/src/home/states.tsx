/** What stands where the documents will be, and where they cannot be had. */
import { ended } from '../account/ended'
import type { ApiError } from '../api'

export function said({ code, message }: ApiError): string {
  if (code === 'storage') return 'The server cannot use its storage just now.'
  if (code === 'shutting_down') return 'The server is restarting.'
  return message
}

export function Trouble({ error, busy, onRetry }: { error: ApiError; busy: boolean; onRetry: () => void }) {
  if (error.code === 'sign_in') {
    const { title, why } = ended()
    return (
      <div class="blank" role="alert">
        <h2>{title}</h2>
        <p>{why}</p>
        <div class="acts"><button type="button" class="button primary" onClick={() => location.reload()}>Sign in</button></div>
      </div>
    )
  }
  return (
    <div class="blank" role="alert">
      <h2>{said(error)}</h2>
      <p>{error.code === 'unreachable' ? 'Documents you have already opened keep working in their own windows.' : 'Nothing is lost. This page tries again by itself.'}</p>
      <div class="acts"><button type="button" class="button" disabled={busy} onClick={onRetry}>Try again</button></div>
    </div>
  )
}

export function Skeleton() {
  return (
    <div class="rows waiting" role="status" aria-label="Loading the documents">
      {[38, 54, 30, 46, 62, 34].map((width, i) => (
        <div key={i} class="row"><span class={`skeleton w${width}`} /><span class="skeleton w10" /></div>
      ))}
    </div>
  )
}
