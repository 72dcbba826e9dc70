/** Whom somebody means by what they have typed. */
import { ApiError } from '../api'
import type { Group } from './groups'
import type { PersonEntry } from './people'

export type Party = { person: PersonEntry } | { group: string }

/** How a group is written where people are meant, too. */
export const asGroup = (name: string) => `${name} (group)`

const same = (a: string, b: string) => a.localeCompare(b, undefined, { sensitivity: 'accent' }) === 0

/** It may be one of several, and nobody but who typed it knows which. */
export class Unclear extends ApiError {
  constructor(readonly candidates: Party[]) {
    super('ambiguous', candidates.length === 1 ? 'That is a name, and no login. Is this whom you mean?' : 'Which one do you mean?')
  }
}

/**
 * People choose their names themselves, so a name stands for nobody: a login does, and a group, which administrators name, but only if
 * nobody and nothing else is called the same.
 */
export function meant(typed: string, people: PersonEntry[], groups: Group[]): Party {
  const marked = groups.find((group) => asGroup(group.name) === typed)
  if (marked) return { group: marked.name }
  const called = people.filter((person) => !person.is_disabled && (same(person.login, typed) || same(person.name, typed)))
  const group = groups.find((one) => same(one.name, typed))
  const candidates: Party[] = [...called.map((person) => ({ person })), ...(group ? [{ group: group.name }] : [])]
  const only = candidates.length === 1 ? candidates[0]! : null
  if (only && ('group' in only || same(only.person.login, typed))) return only
  if (candidates.length > 0) throw new Unclear(candidates)
  throw new ApiError('no_subject', `Nobody here is called “${typed}”.`)
}
