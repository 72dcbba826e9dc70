/** The offline copy of a document in this browser's IndexedDB. */
import { IndexeddbPersistence } from 'y-indexeddb'
import type { Doc } from 'yjs'
import { database, holdCopy, type Place } from './offline'

const OPEN_MS = 3_000

export interface OfflineCopy {
  /** The document was once received whole, so it may be edited without the server. */
  complete: boolean
  markComplete(): void
  close(): Promise<void>
}

/** Loads what is kept into `doc`. Null where the browser keeps nothing (private windows, full disks). */
export async function openCopy(place: Place, doc: Doc, onLost: () => void): Promise<OfflineCopy | null> {
  if (!('indexedDB' in window)) return null
  const release = holdCopy(place)
  const persistence = new IndexeddbPersistence(database(place), doc)
  // A browser may take the database away, and then it throws: into the edit, which others would never be told of.
  const store = persistence._storeUpdate
  const guarded = (update: Uint8Array, origin: unknown) => {
    try {
      store(update, origin)
    } catch {
      doc.off('update', guarded)
      onLost()
    }
  }
  doc.off('update', store)
  doc.on('update', guarded)
  const loaded = persistence.whenSynced.then(() => persistence.get('complete'))
  // y-indexeddb never answers when the database cannot be opened or is held by somebody else.
  const failed = persistence._db.then(() => new Promise<never>(() => {}), () => FAILED)
  const late = new Promise<typeof FAILED>((answer) => setTimeout(answer, OPEN_MS, FAILED))
  const complete: unknown = await Promise.race([loaded, failed, late])
  if (complete === FAILED) {
    doc.off('update', guarded)
    persistence.destroy().catch(() => {})
    release()
    return null
  }
  const copy: OfflineCopy = {
    complete: complete === 1,
    markComplete() {
      copy.complete = true
      void persistence.set('complete', 1)
    },
    close: () => {
      doc.off('update', guarded)
      return persistence.destroy().then(release)
    },
  }
  return copy
}

const FAILED = Symbol('failed')
