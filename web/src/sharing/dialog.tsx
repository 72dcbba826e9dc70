/** Shares a document: with people, with everyone who is signed in, by links. */
import './sharing.css'
import { useEffect, useState } from 'preact/hooks'
import { asApiError, type ApiError } from '../api'
import { Dialog } from '../ui/dialog'
import { Links } from './links'
import { Parties } from './parties'
import { loadSharing, type Sharing } from './sharing'

export function ShareDialog({ name, onClose }: { name: string; onClose: () => void }) {
  const [sharing, setSharing] = useState<Sharing | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const load = () => loadSharing(name).then(
    (now) => {
      setSharing(now)
      setError(null)
    },
    (cause) => setError(asApiError(cause)),
  )
  useEffect(() => void load(), [name])
  return (
    <Dialog title="Share" onClose={onClose} wide>
      {sharing ? (
        <div class="sharing">
          <Parties name={name} sharing={sharing} onChange={setSharing} />
          <Links name={name} links={sharing.links} onChange={load} />
        </div>
      ) : error ? (
        <div class="sharing-trouble" role="alert">
          <p>{error.message}</p>
          <button type="button" class="button" onClick={() => void load()}>Try again</button>
        </div>
      ) : (
        <div class="sharing-trouble" role="status" aria-label="Loading"><span class="skeleton" /><span class="skeleton" /></div>
      )}
    </Dialog>
  )
}
