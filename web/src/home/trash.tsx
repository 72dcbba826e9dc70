/** What was deleted: it comes back, or goes for good. */
import { useEffect, useMemo, useState } from 'preact/hooks'
import { announce } from '../announce'
import { ApiError } from '../api'
import { useAttempt } from '../account/attempt'
import { Complaint, Field } from '../account/fields'
import { editPath, nameProblem, splitName, trimName } from '../name'
import { takeFocus } from '../ui/focus'
import { Rope } from '../ui/icons'
import { Path } from '../ui/path'
import { Sure } from '../ui/sure'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { ago, count, exact, until } from '../when'
import { Skeleton, Trouble } from './states'
import { removeForGood, restore, type Trashed } from './trash-api'
import { TrashList } from './trash-list'

export function Trash() {
  const list = useMemo(() => new TrashList(), [])
  const { page, busy, error } = useValue(list.listing)
  const attempt = useAttempt()
  useEffect(() => list.start(), [])
  if (!page) return error ? <Trouble error={error} busy={busy} onRetry={() => void list.load()} /> : <Skeleton />
  const more = () => attempt.run(async () => announce(count(await list.more(), 'more document')))
  const empty = () => attempt.run(async () => {
    const removed = await list.empty()
    say(removed === null ? 'The trash is empty' : `${count(removed, 'document')} are gone; there are more`)
  })
  if (page.documents.length === 0) {
    return (
      <div class="blank">
        <div class="art"><Rope /></div>
        <h2>The trash is empty</h2>
        <p>{page.days > 0 ? `What is deleted lies here for ${count(page.days, 'day')} and can come back.` : 'This server keeps nothing that is deleted.'}</p>
      </div>
    )
  }
  return (
    <>
      <div class="trash-head">
        <p>{page.days > 0 ? `What lies here goes for good after ${count(page.days, 'day')}.` : 'What is here is from before: what is deleted now is gone at once.'}</p>
        <Sure ask="Really remove everything for good" disabled={attempt.busy} onSure={() => void empty()}>Empty the trash</Sure>
      </div>
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <ul class="rows" aria-label="Deleted documents">{page.documents.map((one) => <Line key={one.id} one={one} onGone={() => list.drop(one.id)} />)}</ul>
      {page.next && <div class="home-more"><button type="button" class="button" disabled={attempt.busy} onClick={() => void more()}>Show more</button></div>}
    </>
  )
}

function Line({ one, onGone }: { one: Trashed; onGone: () => void }) {
  const [naming, setNaming] = useState(false)
  const attempt = useAttempt()
  const back = (name?: string) => attempt.run(async () => {
    try {
      const now = await restore(one.id, name)
      onGone()
      document.getElementById('place')?.focus()
      say(`${splitName(now).last} is back`, { label: 'Open', run: () => location.assign(editPath(now)) })
    } catch (cause) {
      if (!(cause instanceof ApiError && cause.code === 'exists' && name === undefined)) throw cause
      setNaming(true)
    }
  })
  const remove = () => attempt.run(async () => {
    await removeForGood(one.id)
    onGone()
    document.getElementById('place')?.focus()
    say(`${splitName(one.name).last} is gone for good`)
  })
  const about = [
    `Deleted ${ago(one.deleted_at)}${one.deleted_by ? ` by ${one.deleted_by.name}` : ''}`,
    count(one.length, 'character'),
    one.expires_at === null ? null : `goes for good ${until(one.expires_at)}`,
  ]
  return (
    <li class="trashed" data-testid="trashed">
      <span class="trashed-what" title={exact(one.deleted_at)}>
        <Path name={one.name} />
        <span>{about.filter(Boolean).join(', ')}</span>
      </span>
      {!naming && (
        <span class="row-acts">
          <button type="button" class="button" disabled={attempt.busy} aria-label={`Restore ${one.name}`} onClick={() => void back()}>Restore</button>
          <Sure ask="Really delete for good" label={`Delete for good: ${one.name}`} disabled={attempt.busy} onSure={() => void remove()}>Delete for good</Sure>
        </span>
      )}
      {naming && <OtherName one={one} busy={attempt.busy} onStop={() => setNaming(false)} onName={(name) => void back(name)} />}
      <Complaint>{attempt.error?.message ?? null}</Complaint>
    </li>
  )
}

function OtherName({ one, busy, onStop, onName }: { one: Trashed; busy: boolean; onStop: () => void; onName: (name: string) => void }) {
  const [typed, setTyped] = useState(() => another(one.name))
  const name = trimName(typed)
  const problem = nameProblem(name)
  const submit = (event: Event) => {
    event.preventDefault()
    if (!problem) onName(name)
  }
  return (
    <form class="form link-form" onSubmit={submit}>
      <Field field={takeFocus} label="Another document has its name by now. Bring it back as" name="other-name" value={typed} onInput={setTyped} autocomplete="off" wrong={problem !== null} hint={problem} />
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onStop}>Cancel</button>
        <button type="submit" class="button primary" disabled={busy || problem !== null}>Restore</button>
      </div>
    </form>
  )
}

/** “plan (restored).md” */
function another(name: string): string {
  const dot = name.lastIndexOf('.')
  return dot > name.lastIndexOf('/') + 1 ? `${name.slice(0, dot)} (restored)${name.slice(dot)}` : `${name} (restored)`
}
