/** One document in the list. Deleting it can be undone; where it cannot, it asks in the row's own place. */
import { useEffect, useRef, useState } from 'preact/hooks'
import type { DocumentEntry } from '../api'
import { editPath, splitName } from '../name'
import { Eye, Trash } from '../ui/icons'
import { Path } from '../ui/path'
import { say } from '../ui/toast'
import { ago, count, exact } from '../when'
import { keepsTrash, undoDeletion } from './trash-api'

interface RowProps {
  entry: DocumentEntry
  /** The folder that is on the page: its name is not said again. */
  within: string | null
  unsent: number
  onDelete: (name: string) => Promise<void>
  onRestored: () => void
}

const failed = (error: unknown, otherwise: string) => say(error instanceof Error ? `${otherwise} ${error.message}` : otherwise)

export function Row({ entry, within, unsent, onDelete, onRestored }: RowProps) {
  const [asking, setAsking] = useState(false)
  const [busy, setBusy] = useState(false)
  const trash = useRef<HTMLButtonElement>(null)
  const pressed = useRef(false)
  const { name } = entry
  const stop = () => {
    setAsking(false)
    requestAnimationFrame(() => trash.current?.focus())
  }
  const remove = async () => {
    setBusy(true)
    try {
      await onDelete(name)
      // Recent and what is shared have no search.
      ;(document.getElementById('search') ?? document.getElementById('place'))?.focus()
      const undo = () => undoDeletion(name).then(onRestored, (error) => failed(error, 'Not brought back.'))
      say(`Deleted ${splitName(name).last}`, asking ? undefined : { label: 'Undo', run: () => void undo() })
    } catch (error) {
      setBusy(false)
      failed(error, 'Not deleted.')
    }
  }
  const press = async () => {
    if (pressed.current) return
    pressed.current = true
    const keeps = await keepsTrash()
    pressed.current = false
    if (keeps) void remove()
    else setAsking(true)
  }
  const reads = entry.access === 'read' || entry.access === 'comment'
  const at = entry.visited_at ?? entry.edited_at
  if (asking) return <Ask entry={entry} busy={busy} onStop={stop} onSure={() => void remove()} />
  return (
    <li class="row" data-testid="document">
      <a class="row-link" href={editPath(name)} title={name}>
        <span class="row-name"><Path name={within === null ? name : splitName(name).last} /></span>
        {reads && <span class="row-reads" title="You may only read this document"><Eye /><span class="visually-hidden">, read only</span></span>}
        {unsent > 0 && <span class="row-unsent" title="Kept in this browser; they are sent when you open the document">{count(unsent, 'unsent edit')}</span>}
        <span class="row-people">{entry.people > 0 && <><i aria-hidden="true" />{entry.people}<span class="visually-hidden"> here now</span></>}</span>
        <span class="row-length">{count(entry.length, 'character')}</span>
        <time class="row-time" dateTime={new Date(at).toISOString()} title={`${entry.visited_at ? 'You were here' : 'Edited'} ${exact(at)}`}>{ago(at)}</time>
      </a>
      {entry.access === 'own' && <button ref={trash} type="button" class="icon-button row-delete" aria-label={`Delete ${name}`} title="Delete" disabled={busy} onClick={() => void press()}>
        <Trash />
      </button>}
    </li>
  )
}

function Ask({ entry, busy, onStop, onSure }: { entry: DocumentEntry; busy: boolean; onStop: () => void; onSure: () => void }) {
  const keep = useRef<HTMLButtonElement>(null)
  useEffect(() => keep.current?.focus(), [])
  return (
    <li class="row asking" onKeyDown={(event) => event.key === 'Escape' && onStop()}>
      <p id="asking">
        Delete <b><bdi>{entry.name}</bdi></b> for everyone and for good?
        {entry.people > 0 && <span> {entry.people === 1 ? 'One person is' : `${entry.people} people are`} in it.</span>}
      </p>
      <div class="row-acts">
        <button ref={keep} type="button" class="button plain" aria-describedby="asking" onClick={onStop}>Keep</button>
        <button type="button" class="button danger" aria-describedby="asking" disabled={busy} onClick={onSure}>Delete</button>
      </div>
    </li>
  )
}
