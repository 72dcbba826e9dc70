/** Names a new document and opens it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, createDocument } from '../api'
import { editPath, nameProblem, suggestName, trimName } from '../name'
import { Dialog } from '../ui/dialog'

export function Create({ wish, onClose }: { wish: string; onClose: () => void }) {
  const [typed, setTyped] = useState(() => (wish.endsWith('/') ? wish + suggestName() : trimName(wish) || suggestName()))
  const [touched, setTouched] = useState(false)
  const [failure, setFailure] = useState<{ name: string; error: ApiError } | null>(null)
  const [busy, setBusy] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const name = trimName(typed)

  useEffect(() => {
    field.current?.focus()
    // All of it: a name that is typed has an ending of its own, or none.
    // In a folder the part after it.
    if (wish.endsWith('/')) field.current?.setSelectionRange(wish.length, field.current.value.length)
    else field.current?.select()
  }, [])

  const problem = nameProblem(name)
  const refused = failure?.name === name ? failure.error : null
  const exists = refused?.code === 'exists'
  const shown = exists ? 'A document of this name exists already.' : (refused?.message ?? (touched ? problem : null))

  const submit = async (event: Event) => {
    event.preventDefault()
    setTouched(true)
    if (problem || busy) return field.current?.focus()
    if (exists) return location.assign(editPath(name))
    setBusy(true)
    try {
      await createDocument(name)
      location.assign(editPath(name))
    } catch (error) {
      setBusy(false)
      setFailure({ name, error: error instanceof ApiError ? error : new ApiError('internal', 'Something went wrong.') })
      field.current?.focus()
    }
  }

  return (
    <Dialog title="New document" onClose={onClose}>
      <form class="create" onSubmit={submit}>
        <label class="label" for="new-name">Name</label>
        <input
          ref={field} id="new-name" class="field" value={typed} autocomplete="off" autocapitalize="off" spellcheck={false}
          aria-invalid={shown !== null && !exists} aria-describedby="new-name-note"
          onInput={(event) => {
            setTyped(event.currentTarget.value)
            setTouched(true)
          }}
        />
        <p id="new-name-note" class={shown ? 'note wrong' : 'note'} aria-live="polite">
          {shown ?? 'A slash makes a folder; an ending such as .md or .rs chooses the language. Without one it is plain text.'}
        </p>
        <div class="dialog-acts">
          <button type="button" class="button plain" onClick={onClose}>Cancel</button>
          <button type="submit" class="button primary" disabled={busy || (touched && problem !== null)}>{exists ? 'Open it' : 'Create'}</button>
        </div>
      </form>
    </Dialog>
  )
}
