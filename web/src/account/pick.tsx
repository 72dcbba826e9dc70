/** A field for somebody: by login or by name, with those that fit. */
import type { Ref } from 'preact'
import { useEffect, useId, useState } from 'preact/hooks'
import { ApiError } from '../api'
import { listGroups, type Group } from './groups'
import { findPeople, type PersonEntry } from './people'

const SEEK_MS = 150
/** As many as one looks through. */
const SUGGESTED = 20

/** How a group is written where people are meant, too. */
const asGroup = (name: string) => `${name} (group)`

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
        {people.slice(0, SUGGESTED).map((person) => <option key={person.login} value={person.login}>{person.name}</option>)}
        {all.map((group) => <option key={group.id} value={asGroup(group.name)} />)}
      </datalist>
    </>
  )
}

const same = (a: string, b: string) => a.localeCompare(b, undefined, { sensitivity: 'accent' }) === 0

/** The person that was meant. A login stands for one; a name only if nobody else has it. */
export async function personMeant(typed: string): Promise<PersonEntry | null> {
  const found = (await findPeople(typed)).filter((person) => !person.is_disabled)
  const named = found.filter((person) => same(person.name, typed))
  const exact = found.find((person) => same(person.login, typed)) ?? (named.length === 1 ? named[0]! : null)
  if (!exact && named.length > 1) {
    throw new ApiError('ambiguous', `${named.length} people are called that: write the login of the one you mean, such as ${named[0]!.login}.`)
  }
  return exact
}

/** The person or the group that was meant. */
export async function partyMeant(typed: string): Promise<{ person: PersonEntry } | { group: string }> {
  const groups = await listGroups()
  const marked = groups.find((group) => asGroup(group.name) === typed)
  if (marked) return { group: marked.name }
  const person = await personMeant(typed)
  if (person) return { person }
  const group = groups.find((one) => same(one.name, typed))
  if (group) return { group: group.name }
  throw nobody(typed)
}

export function nobody(typed: string): ApiError {
  return new ApiError('no_subject', `Nobody here is called “${typed}”.`)
}
