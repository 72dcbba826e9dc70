/** One document in the list; deleting asks in the row's own place. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { DocumentEntry } from '../api'
import { editPath, splitName } from '../name'
import { Eye, Trash } from '../ui/icons'
import { Path } from '../ui/path'
import { say } from '../ui/toast'
import { ago, count, exact } from '../when'

interface RowProps {
  entry: DocumentEntry
  unsent: number
  onDelete: (name: string) => Promise<void>
}

export function Row({ entry, unsent, onDelete }: RowProps) {
  const [asking, setAsking] = useState(false)
  const trash = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setAsking(false)
    requestAnimationFrame(() => trash.current?.focus())
  }
  const reads = entry.access === 'read' || entry.access === 'comment'
  if (asking) return <Ask entry={entry} onStop={stop} onDelete={onDelete} />
  return (
    <li class="row" data-testid="document">
      <a class="row-link" href={editPath(entry.name)} title={entry.name}>
        <span class="row-name"><Path name={entry.name} /></span>
        {reads && <span class="row-reads" title="You may read this document"><Eye /><span class="visually-hidden">, read only</span></span>}
        {unsent > 0 && <span class="row-unsent" title="Kept in this browser; they are sent when you open the document">{count(unsent, 'unsent edit')}</span>}
        <span class="row-people">{entry.people > 0 && <><i aria-hidden="true" />{entry.people}<span class="visually-hidden"> here now</span></>}</span>
        <span class="row-length">{count(entry.length, 'character')}</span>
        <time class="row-time" dateTime={new Date(entry.edited_at).toISOString()} title={exact(entry.edited_at)}>{ago(entry.edited_at)}</time>
      </a>
      {entry.access === 'own' && <button ref={trash} type="button" class="icon-button row-delete" aria-label={`Delete ${entry.name}`} title="Delete" onClick={() => setAsking(true)}>
        <Trash />
      </button>}
    </li>
  )
}

function Ask({ entry, onStop, onDelete }: { entry: DocumentEntry; onStop: () => void; onDelete: (name: string) => Promise<void> }) {
  const keep = useRef<HTMLButtonElement>(null)
  const [busy, setBusy] = useState(false)
  useEffect(() => keep.current?.focus(), [])
  const remove = async () => {
    setBusy(true)
    try {
      await onDelete(entry.name)
      say(`Deleted ${splitName(entry.name).last}`)
      document.getElementById('search')?.focus()
    } catch (error) {
      setBusy(false)
      say(error instanceof Error ? `Not deleted. ${error.message}` : 'Not deleted.')
    }
  }
  return (
    <li class="row asking" onKeyDown={(event) => event.key === 'Escape' && onStop()}>
      <p id="asking">
        Delete <b><bdi>{entry.name}</bdi></b> for everyone?
        {entry.people > 0 && <span> {entry.people === 1 ? 'One person is' : `${entry.people} people are`} in it.</span>}
      </p>
      <div class="row-acts">
        <button ref={keep} type="button" class="button plain" aria-describedby="asking" onClick={onStop}>Keep</button>
        <button type="button" class="button danger" aria-describedby="asking" disabled={busy} onClick={() => void remove()}>Delete</button>
      </div>
    </li>
  )
}
