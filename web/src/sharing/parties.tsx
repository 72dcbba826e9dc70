/** The people, groups and everyone that a document is shared with. */
import { useEffect, useId, useRef, useState } from 'preact/hooks'
import { useAttempt } from '../account/attempt'
import { Complaint } from '../account/fields'
import { account } from '../account/identity'
import { findPeople, type PersonEntry } from '../account/people'
import { announce } from '../announce'
import { ApiError, type Access } from '../api'
import { takeFocus } from '../ui/focus'
import { Select } from '../ui/select'
import { Sure } from '../ui/sure'
import { ACCESS_WORDS, partyOf, sameParty, setAccess, type Grant, type Inherited, type Party, type Sharing } from './sharing'

type Wish = Access | 'none'

const LEVELS: [Access, string][] = [['read', ACCESS_WORDS.read], ['edit', ACCESS_WORDS.edit], ['own', ACCESS_WORDS.own]]
const SEEK_MS = 150

interface PartiesProps {
  name: string
  sharing: Sharing
  onChange: (now: Sharing) => void
}

export function Parties({ name, sharing, onChange }: PartiesProps) {
  const attempt = useAttempt()
  /** Whom it was taken from in this window: they stay in sight, so that it can be given back. */
  const [taken, setTaken] = useState<Grant[]>([])
  const { owner, grants, inherited } = sharing

  const set = (party: Party, access: Wish) => attempt.run(async () => {
    const before = grants.find((grant) => sameParty(grant, party))
    onChange(await setAccess(name, party, access))
    setTaken((all) => all.filter((grant) => !sameParty(grant, party)).concat(access === 'none' && before ? [before] : []))
    announce(access === 'none' ? 'Not shared any more' : 'Shared')
  })
  const everyone = grants.find((grant) => 'everyone' in grant)
  const named = grants.filter((grant) => !('everyone' in grant))
  const gone = taken.filter((grant) => !('everyone' in grant) && !grants.some((other) => sameParty(other, grant)))

  return (
    <section aria-label="People">
      <Add busy={attempt.busy} onAdd={(person, access) => set({ person }, access)} onRefuse={attempt.refuse} owner={owner?.login} />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <ul class="parties">
        {owner && <li><Who name={owner.name} under={owner.login} /><span class="party-fixed">Owner</span></li>}
        {named.map((grant) => <Line key={JSON.stringify(partyOf(grant))} grant={grant} busy={attempt.busy} onSet={(access) => void set(grant, access)} />)}
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

const fromFolder = ({ folder }: Inherited) => (folder === '' ? 'Given for all documents' : `Given for the folder ${folder}`)

function Who({ name, under }: { name: string; under?: string }) {
  return <span class="party"><b>{name}</b>{under && <span>{under}</span>}</span>
}

function Line({ grant, busy, onSet }: { grant: Grant; busy: boolean; onSet: (access: Wish) => void }) {
  const { name, under } = seen(grant)
  const [lowering, setLowering] = useState<Wish | null>(null)
  const mine = 'person' in grant && grant.person === account()?.login && grant.access === 'own'
  const stop = () => setLowering(null)
  if (lowering !== null) {
    return (
      <li class="party-asking">
        <span class="party">You could not share this document then, nor take this back.</span>
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
  owner: string | undefined
  onAdd: (login: string, access: Access) => Promise<boolean>
  onRefuse: (error: ApiError) => void
}

function Add({ busy, owner, onAdd, onRefuse }: AddProps) {
  const id = useId()
  const [login, setLogin] = useState('')
  const [access, setAccess] = useState<Access>('edit')
  const [people, setPeople] = useState<PersonEntry[]>([])
  const field = useRef<HTMLInputElement>(null)
  useEffect(() => field.current?.focus(), [])
  useEffect(() => {
    let current = true
    const timer = window.setTimeout(() => {
      // Without suggestions a login can still be typed.
      findPeople(login.trim()).then((found) => current && setPeople(found.filter((person) => !person.is_disabled)), () => {})
    }, SEEK_MS)
    return () => {
      current = false
      window.clearTimeout(timer)
    }
  }, [login])
  const submit = async (event: Event) => {
    event.preventDefault()
    const wanted = login.trim()
    if (!wanted) return field.current?.focus()
    if (wanted.toLowerCase() === owner) return onRefuse(new ApiError('owner', 'The document is theirs already.'))
    if (await onAdd(wanted, access)) setLogin('')
    field.current?.focus()
  }
  return (
    <form class="party-add" onSubmit={submit}>
      <label class="label" for={id}>Share with</label>
      <div class="party-add-line">
        <input
          ref={field} id={id} class="field" placeholder="Login" value={login} list={`${id}-people`} autocomplete="off" autocapitalize="none" spellcheck={false}
          onInput={(event) => setLogin(event.currentTarget.value)}
        />
        <datalist id={`${id}-people`}>
          {people.map((person) => <option key={person.login} value={person.login}>{person.name}</option>)}
        </datalist>
        <Select bare label="What they may do" options={LEVELS} value={access} onChange={setAccess} />
        <button type="submit" class="button primary" disabled={busy}>Share</button>
      </div>
    </form>
  )
}
