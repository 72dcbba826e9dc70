import { describe, expect, it } from 'vitest'
import { asGroup, meant, Unclear, type Party } from './meant'
import type { PersonEntry } from './people'

const person = (login: string, name: string, is_disabled = false): PersonEntry => ({ login, name, is_admin: false, is_disabled })
const group = (name: string) => ({ id: 1, name, members: [] })

const told = (party: Party) => ('person' in party ? party.person.login : asGroup(party.group))

/** Whom it is, or between whom it is asked. */
function found(typed: string, people: PersonEntry[], groups = [group('Editors')]): string | string[] {
  try {
    return told(meant(typed, people, groups))
  } catch (error) {
    if (error instanceof Unclear) return error.candidates.map(told)
    throw error
  }
}

describe('whom somebody means', () => {
  const bob = person('bob', 'Bob J.')

  it('is whoever has the login, in capitals, too, and a group that nobody is called like', () => {
    expect(found('bob', [bob])).toBe('bob')
    expect(found('BOB', [bob, person('bobby', 'Bobby')])).toBe('bob')
    expect(found('bob', [person('bob', 'bob')])).toBe('bob')
    expect(found('Editors (group)', [bob])).toBe('Editors (group)')
    expect(found('editors', [bob])).toBe('Editors (group)')
  })

  it('is asked for a name, whoever has it', () => {
    expect(found('Bob Jones', [bob, person('mallory', 'Bob Jones')])).toEqual(['mallory'])
    expect(found('Bob J.', [bob, person('mallory', 'bob j.')])).toEqual(['bob', 'mallory'])
  })

  it('is asked where somebody has the login of another for a name', () => {
    expect(found('bob', [person('mallory', 'bob'), bob])).toEqual(['mallory', 'bob'])
  })

  it('is asked where a person is called like a group', () => {
    for (const called of [person('mallory', 'Editors'), person('editors', 'Mallory')]) {
      expect(found('Editors', [called])).toEqual([called.login, 'Editors (group)'])
      expect(found('Editors (group)', [called])).toBe('Editors (group)')
    }
    expect(found('Editors (group)', [person('mallory', 'Editors (group)')])).toBe('Editors (group)')
  })

  it('is nobody who is disabled, and nobody who is only called a little like it', () => {
    expect(() => meant('bob', [person('bob', 'Bob', true)], [])).toThrow('Nobody here is called “bob”.')
    expect(() => meant('Bob', [person('robert', 'Bob Jones')], [])).toThrow('Nobody here')
  })
})
