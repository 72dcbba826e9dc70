/** Makes a document somebody else's. */
import { useRef, useState } from 'preact/hooks'
import { useAttempt } from '../account/attempt'
import { Complaint } from '../account/fields'
import { Unclear, type Party as Meant } from '../account/meant'
import { Candidates, personMeant, PickField } from '../account/pick'
import { announce } from '../announce'
import { ApiError, type Access } from '../api'
import { takeFocus } from '../ui/focus'
import { Select } from '../ui/select'
import { Sure } from '../ui/sure'
import { ACCESS_WORDS, handOver, setAccess, type Shared, type Sharing } from './sharing'

type Left = Access | 'none'

const LEFT: [Left, string][] = [['edit', ACCESS_WORDS.edit], ['read', ACCESS_WORDS.read], ['none', 'No access']]

interface HandOverProps {
  of: Shared
  owner: Sharing['owner']
  mine: boolean
  onDone: (now: Sharing) => void
  onStop: () => void
}

export function HandOver({ of, owner, mine, onDone, onStop }: HandOverProps) {
  const [typed, setTyped] = useState('')
  const [chosen, setChosen] = useState<string | null>(null)
  const [left, setLeft] = useState<Left>('edit')
  const attempt = useAttempt()
  const acts = useRef<HTMLDivElement>(null)
  const find = (event: Event) => {
    event.preventDefault()
    if (typed.trim()) void attempt.run(async () => choose({ person: await personMeant(typed.trim()) }))
  }
  const choose = (party: Meant) => {
    if (!('person' in party)) return
    if (party.person.login === owner?.login) throw new ApiError('owner', 'The document is theirs already.')
    setTyped(party.person.login)
    setChosen(party.person.login)
    attempt.refuse(null)
    requestAnimationFrame(() => acts.current?.querySelector<HTMLButtonElement>('button:last-child')?.focus())
  }
  const hand = (login: string) => attempt.run(async () => {
    // Before, as they may not be able to share it after.
    if (owner && left !== 'none') await setAccess(of, { person: owner.login }, left)
    onDone(await handOver(of, login))
    announce(`It belongs to ${login} now`)
  })
  return (
    <li>
      <form class="form link-form hand-over" onSubmit={find}>
        <div class="entry">
          <span class="label" aria-hidden="true">Whose it is to be</span>
          <PickField field={takeFocus} label="Whose it is to be" value={typed} onInput={(now) => { setTyped(now); setChosen(null); attempt.refuse(null) }} />
        </div>
        {owner && <Select label={mine ? 'What you may do then' : `What ${owner.name} may do then`} options={LEFT} value={left} onChange={setLeft} />}
        <Complaint>{attempt.error?.message ?? null}</Complaint>
        {attempt.error instanceof Unclear && <Candidates of={attempt.error} busy={attempt.busy} onChoose={choose} />}
        <div ref={acts} class="dialog-acts">
          <button type="button" class="button plain" onClick={onStop}>Cancel</button>
          {chosen === null
            ? <button type="submit" class="button primary" disabled={attempt.busy}>Hand over</button>
            : <Sure ask={mine ? `Really ${chosen}’s: only they can hand it back` : `Really ${chosen}’s`} disabled={attempt.busy} onSure={() => void hand(chosen)}>Hand over to {chosen}</Sure>}
        </div>
      </form>
    </li>
  )
}
