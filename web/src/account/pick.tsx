/** A field for somebody, by login, with those whom it or a name fits. */
import type { Ref } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import { ApiError } from '../api'
import { listGroups, type Group } from './groups'
import { asGroup, meant, type Party, type Unclear } from './meant'
import { findPeople, type PersonEntry } from './people'

const SEEK_MS = 150
/** As many as one looks through. */
const SUGGESTED = 20

interface PickFieldProps {
  label: string
  value: string
  onInput: (value: string) => void
  field?: Ref<HTMLInputElement>
  /** Groups are suggested as well. */
  groups?: boolean
}

export function PickField({ label, value, onInput, field, groups = false }: PickFieldProps) {
  const id = useId()
  const [people, setPeople] = useState<PersonEntry[]>([])
  const [all, setAll] = useState<Group[]>([])
  useEffect(() => {
    let current = true
    const timer = window.setTimeout(() => {
      // Without suggestions a login can still be typed.
      findPeople(value.trim()).then((found) => current && setPeople(found.filter((person) => !person.is_disabled)), () => {})
    }, SEEK_MS)
    return () => {
      current = false
      window.clearTimeout(timer)
    }
  }, [value])
  useEffect(() => {
    if (groups) listGroups().then(setAll, () => {})
  }, [groups])
  return (
    <>
      <input
        ref={field} class="field" aria-label={label} placeholder={groups ? 'Name, login or group' : 'Name or login'} value={value} list={`${id}-people`} autocomplete="off" autocapitalize="none" spellcheck={false}
        onInput={(event) => onInput(event.currentTarget.value)}
      />
      <datalist id={`${id}-people`}>
        {people.slice(0, SUGGESTED).map((person) => <option key={person.login} value={person.login} label={`${person.name}, ${person.login}`} />)}
        {all.map((group) => <option key={group.id} value={asGroup(group.name)} />)}
      </datalist>
    </>
  )
}

/** The person that was meant. */
export async function personMeant(typed: string): Promise<PersonEntry> {
  const party = meant(typed, await findPeople(typed), [])
  if ('person' in party) return party.person
  throw new ApiError('no_subject', 'That is a group.')
}

/** The person or the group that was meant. */
export async function partyMeant(typed: string): Promise<Party> {
  const [people, groups] = await Promise.all([findPeople(typed), listGroups()])
  return meant(typed, people, groups)
}

/** Asks which one was meant: names are seen with what nobody can choose like another. It does not take the focus: a second press of Enter is no choice. */
export function Candidates({ of, busy, onChoose }: { of: Unclear; busy: boolean; onChoose: (party: Party) => void }) {
  return (
    <ul class="parties candidates" aria-label="Whom you may mean">
      {of.candidates.map((party) => (
        <li key={told(party)} data-testid="candidate">
          <span class="party"><b>{'person' in party ? party.person.name : party.group}</b><span>{told(party)}</span></span>
          <button type="button" class="button" disabled={busy} aria-label={`This one: ${'person' in party ? party.person.name : party.group}, ${told(party)}`} onClick={() => onChoose(party)}>This one</button>
        </li>
      ))}
    </ul>
  )
}

const told = (party: Party) => ('person' in party ? party.person.login : 'Group')
