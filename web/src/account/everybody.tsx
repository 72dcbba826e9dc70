/** The people with accounts here, for who looks after them. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { asApiError } from '../api'
import { CopyField } from '../ui/copy-field'
import { Sure } from '../ui/sure'
import { count, exact } from '../when'
import { useAttempt } from './attempt'
import { Complaint } from './fields'
import { Held } from './held'
import { Invitations } from './invitations'
import { changePerson, pageOfPeople, resetPassword, type Passed, type PersonEntry } from './people'

const SEEK_MS = 150

export function Everybody({ me }: { me: string }) {
  const [q, setQ] = useState('')
  const [people, setPeople] = useState<PersonEntry[] | null>(null)
  const [next, setNext] = useState<string | null>(null)
  const more = useAttempt()
  const [trouble, setTrouble] = useState<string | null>(null)
  const newest = useRef(q)
  newest.current = q
  useEffect(() => {
    let current = true
    const timer = window.setTimeout(() => {
      pageOfPeople(q.trim()).then(
        (found) => {
          if (!current) return
          setPeople(found.people)
          setNext(found.next)
          setTrouble(null)
        },
        (cause) => current && setTrouble(asApiError(cause).message),
      )
    }, people === null ? 0 : SEEK_MS)
    return () => {
      current = false
      window.clearTimeout(timer)
    }
  }, [q])
  const showMore = async () => {
    const asked = q
    const page = await pageOfPeople(asked.trim(), next ?? undefined)
    if (asked !== newest.current) return
    setPeople((all) => [...(all ?? []), ...page.people])
    setNext(page.next)
    announce(count(page.people.length, 'more person', 'more people'))
  }
  const changed = (now: PersonEntry) => setPeople((all) => all?.map((person) => (person.login === now.login ? now : person)) ?? null)
  return (
    <div class="window">
      <Invitations />
      <section class="window-part" aria-label="People with an account">
        <input type="search" class="field" placeholder="Search by name or login" aria-label="Search people" autocomplete="off" spellcheck={false} value={q} onInput={(event) => setQ(event.currentTarget.value)} />
        <Complaint>{trouble}</Complaint>
        {people && (people.length > 0 ? (
          <ul class="folk">{people.map((person) => <Line key={person.login} person={person} mine={person.login === me} onChange={changed} />)}</ul>
        ) : <p class="hint">Nobody is called like that.</p>)}
        {next !== null && <div><button type="button" class="button" disabled={more.busy} onClick={() => void more.run(showMore)}>Show more people</button></div>}
        <Complaint>{more.error?.message ?? null}</Complaint>
      </section>
    </div>
  )
}

function Line({ person, mine, onChange }: { person: PersonEntry; mine: boolean; onChange: (now: PersonEntry) => void }) {
  const [passed, setPassed] = useState<Passed | null>(null)
  const [showsHeld, setShowsHeld] = useState(false)
  const details = useRef<HTMLDetailsElement>(null)
  const attempt = useAttempt()
  const change = (what: { is_disabled?: boolean; is_admin?: boolean }, said: string) => attempt.run(async () => {
    onChange(await changePerson(person.login, what))
    announce(said)
    details.current?.querySelector('summary')?.focus()
  })
  const marks = [mine && 'You', person.is_admin && 'Administrator', person.is_disabled && 'Disabled'].filter(Boolean).join(', ')
  const { name } = person
  return (
    <li data-testid="person">
      <details ref={details}>
        <summary><span class="party"><b>{name}</b><span>{person.login}</span></span><span class="party-fixed">{marks}</span></summary>
        <div class="folk-acts">
          {mine ? <p class="hint">Another administrator can change your account.</p> : (
            <>
              {person.is_admin ? (
                <Sure ask="Really an ordinary account" onSure={() => void change({ is_admin: false }, `${name} is no administrator any more`)}>No administrator any more</Sure>
              ) : (
                <Sure ask="Really make administrator" disabled={person.is_disabled} onSure={() => void change({ is_admin: true }, `${name} is an administrator`)}>Make administrator</Sure>
              )}
              {person.is_disabled ? (
                <button type="button" class="button plain" onClick={() => void change({ is_disabled: false }, `${name} may sign in again`)}>Enable</button>
              ) : (
                <Sure ask="Really disable" onSure={() => void change({ is_disabled: true }, `${name} is disabled`)}>Disable</Sure>
              )}
            </>
          )}
          {!person.is_disabled && !mine && (
            <button type="button" class="button plain" disabled={attempt.busy} onClick={() => void attempt.run(async () => setPassed(await resetPassword(person.login)))}>Link for a new password</button>
          )}
          <button type="button" class="button plain" aria-expanded={showsHeld} onClick={() => setShowsHeld(!showsHeld)}>What they have here</button>
        </div>
        {showsHeld && <Held login={person.login} name={name} />}
        {passed && <CopyField label={`Send this to ${name}`} value={new URL(passed.url, location.origin).href} hint={`It is shown this once, works once, and counts until ${exact(passed.expires_at)}.`} />}
        <Complaint>{attempt.error?.message ?? null}</Complaint>
      </details>
    </li>
  )
}
