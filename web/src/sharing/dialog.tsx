/** Shares a document or a folder: with people and groups, with everyone who is signed in, by links. */
import './sharing.css'
import { useEffect, useState } from 'preact/hooks'
import { asApiError, type ApiError } from '../api'
import { Dialog } from '../ui/dialog'
import { Links } from './links'
import { Parties } from './parties'
import { loadSharing, type Shared, type Sharing } from './sharing'

export function ShareDialog({ of, onClose }: { of: Shared; onClose: () => void }) {
  const [sharing, setSharing] = useState<Sharing | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const load = () => loadSharing(of).then(
    (now) => {
      setSharing(now)
      setError(null)
    },
    (cause) => setError(asApiError(cause)),
  )
  useEffect(() => void load(), [JSON.stringify(of)])
  return (
    <Dialog title={titleOf(of)} onClose={onClose} wide>
      {'folder' in of && <p class="sharing-reach">{of.folder === '' ? 'Whoever gets this gets all documents: those that are here now and those that come later.' : 'Whoever gets this gets everything in the folder and in the folders below it: what is there now and what comes later.'}</p>}
      {sharing ? (
        <div class="sharing">
          <Parties of={of} sharing={sharing} onChange={setSharing} />
          <Links of={of} links={sharing.links} inherited={sharing.inherited_links} onChange={load} />
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

function titleOf(of: Shared): string {
  if ('document' in of) return 'Share'
  return of.folder === '' ? 'Share all documents' : `Share the folder ${of.folder}`
}
