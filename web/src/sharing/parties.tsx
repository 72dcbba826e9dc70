/** The people, groups and everyone that a document or a folder is shared with. */
import type { ComponentChildren } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { useAttempt } from '../account/attempt'
import { Complaint } from '../account/fields'
import { account } from '../account/identity'
import { Unclear, type Party as Meant } from '../account/meant'
import { Candidates, partyMeant, PickField } from '../account/pick'
import { announce } from '../announce'
import { ApiError, type Access } from '../api'
import { takeFocus } from '../ui/focus'
import { Select } from '../ui/select'
import { Sure } from '../ui/sure'
import { HandOver } from './hand-over'
import { ACCESS_WORDS, fromFolder, partyOf, sameParty, setAccess, wordOf, type Grant, type Party, type Shared, type Sharing } from './sharing'

type Wish = Access | 'none'

const LEVELS: [Access, string][] = [['read', ACCESS_WORDS.read], ['edit', ACCESS_WORDS.edit], ['own', ACCESS_WORDS.own]]

interface PartiesProps {
  of: Shared
  sharing: Sharing
  onChange: (now: Sharing) => void
}

export function Parties({ of, sharing, onChange }: PartiesProps) {
  const attempt = useAttempt()
  /** Whom it was taken from in this window: they stay in sight, so that it can be given back. */
  const [taken, setTaken] = useState<Grant[]>([])
  const { owner, grants, inherited } = sharing
  const [handing, setHanding] = useState(false)
  const begin = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setHanding(false)
    requestAnimationFrame(() => begin.current?.focus())
  }

  const set = (party: Party, access: Wish) => attempt.run(async () => {
    const before = grants.find((grant) => sameParty(grant, party))
    onChange(await setAccess(of, party, access))
    setTaken((all) => all.filter((grant) => !sameParty(grant, party)).concat(access === 'none' && before ? [before] : []))
    announce(access === 'none' ? 'Not shared any more' : 'Shared')
  })
  const add = (typed: string, access: Access, chosen?: Meant) => attempt.run(async () => {
    const meant = chosen ?? await partyMeant(typed)
    if ('person' in meant && meant.person.login === owner?.login) throw new ApiError('owner', 'The document is theirs already.')
    const party = 'person' in meant ? { person: meant.person.login } : meant
    onChange(await setAccess(of, party, access))
    setTaken((all) => all.filter((grant) => !sameParty(grant, party)))
    announce('Shared')
  })
  const everyone = grants.find((grant) => 'everyone' in grant)
  const named = grants.filter((grant) => !('everyone' in grant))
  const gone = taken.filter((grant) => !('everyone' in grant) && !grants.some((other) => sameParty(other, grant)))

  return (
    <section aria-label="People">
      <Add busy={attempt.busy} unclear={attempt.error instanceof Unclear ? attempt.error : null} onType={() => attempt.refuse(null)} onAdd={add}>
        <Complaint>{attempt.error?.message ?? null}</Complaint>
      </Add>
      <ul class="parties">
        {(owner || sharing.may_hand_over) && (
          <li>
            <Who name={owner?.name ?? 'Nobody'} under={owner?.login ?? 'Only administrators share it'} />
            <span class="party-fixed">Owner</span>
            {sharing.may_hand_over && !handing && <button ref={begin} type="button" class="button plain" onClick={() => setHanding(true)}>Hand over</button>}
          </li>
        )}
        {handing && <HandOver of={of} owner={owner} mine={owner?.login === account()?.login} onStop={stop} onDone={(now) => { onChange(now); stop() }} />}
        {named.map((grant) => <Line key={JSON.stringify(partyOf(grant))} of={of} grant={grant} busy={attempt.busy} onSet={(access) => void set(grant, access)} />)}
        {gone.map((grant) => (
          <li key={JSON.stringify(partyOf(grant))} class="party-gone">
            <Who {...seen(grant)} />
            <span class="party-fixed">Not shared any more</span>
            <button ref={takeFocus} type="button" class="button plain" onClick={() => void set(grant, grant.access)}>Undo</button>
          </li>
        ))}
        <li>
          <Who name="Everyone who is signed in" />
          <Select
            bare label="Everyone who is signed in" value={everyone?.access ?? 'none'} disabled={attempt.busy} onChange={(access: Wish) => void set({ everyone: true }, access)}
            options={[['none', 'No access'], ...options(everyone?.access).filter(([level]) => level !== 'own' || everyone?.access === 'own')]}
          />
        </li>
        {inherited.map((entry) => (
          <li key={JSON.stringify(entry)} class="party-inherited">
            <Who {...seen(entry)} under={fromFolder(entry)} />
            <span class="party-fixed">{ACCESS_WORDS[entry.access]}</span>
          </li>
        ))}
      </ul>
    </section>
  )
}

function options(access: Access | undefined): [Access, string][] {
  return access === 'comment' ? [...LEVELS, ['comment', ACCESS_WORDS.comment]] : LEVELS
}

function seen(grant: Grant): { name: string; under?: string } {
  if ('person' in grant) return { name: grant.name ?? grant.person, under: grant.person }
  return 'group' in grant ? { name: grant.group, under: 'Group' } : { name: 'Everyone who is signed in' }
}

function Who({ name, under }: { name: string; under?: string }) {
  return <span class="party"><b>{name}</b>{under && <span>{under}</span>}</span>
}

function Line({ of, grant, busy, onSet }: { of: Shared; grant: Grant; busy: boolean; onSet: (access: Wish) => void }) {
  const { name, under } = seen(grant)
  const [lowering, setLowering] = useState<Wish | null>(null)
  const mine = 'person' in grant && grant.person === account()?.login && grant.access === 'own'
  const stop = () => setLowering(null)
  if (lowering !== null) {
    return (
      <li class="party-asking">
        <span class="party">You could not share this {wordOf(of)} then, nor take this back.</span>
        <button type="button" class="button plain" onClick={stop}>Keep it</button>
        <Sure ask="Really give it up" disabled={busy} onSure={() => onSet(lowering)}>Give it up</Sure>
      </li>
    )
  }
  const want = (access: Wish) => (mine && access !== 'own' ? setLowering(access) : onSet(access))
  return (
    <li>
      <Who name={name} under={under} />
      <Select bare label={`What ${name} may do`} value={grant.access as Wish} disabled={busy} onChange={want} options={[...options(grant.access), ['none', 'No access']]} />
    </li>
  )
}

interface AddProps {
  busy: boolean
  /** What was typed may be one of these. */
  unclear: Unclear | null
  onType: () => void
  onAdd: (typed: string, access: Access, chosen?: Meant) => Promise<boolean>
  /** What went wrong. */
  children: ComponentChildren
}

function Add({ busy, unclear, onType, onAdd, children }: AddProps) {
  const [typed, setTyped] = useState('')
  const [access, setAccess] = useState<Access>('edit')
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  const share = async (chosen?: Meant) => {
    if (typed.trim() && (await onAdd(typed.trim(), access, chosen))) setTyped('')
    field.current?.focus()
  }
  const submit = (event: Event) => {
    event.preventDefault()
    void share()
  }
  return (
    <form class="party-add" onSubmit={submit}>
      <span class="label" aria-hidden="true">Share with</span>
      <div class="party-add-line">
        <PickField field={field} label="Share with" value={typed} onInput={(now) => { setTyped(now); onType() }} groups />
        <Select bare label="What they may do" options={LEVELS} value={access} onChange={setAccess} />
        <button type="submit" class="button primary" disabled={busy}>Share</button>
      </div>
      {children}
      {unclear && <Candidates of={unclear} busy={busy} onChoose={(party) => void share(party)} />}
    </form>
  )
}
