import { describe, expect, it } from 'vitest'
import { cleanName, initials } from './person'

describe('initials', () => {
  it('are made of letters', () => {
    const said: [string, string][] = [
      ['Ann Archer', 'AA'], ['ann', 'A'], ['Quiet Heron (guest)', 'QH'], ['Ann (guest)', 'A'], ['(guest)', 'G'], ['💚 Bob -', 'B'],
      ['Élodie van der Berg', 'ÉB'], ['7 of Nine', '7N'], ['李 雷', '李雷'], ['“Al” B.', 'AB'], ['***', '?'], ['', '?'],
    ]
    for (const [name, letters] of said) expect(initials(name), name).toBe(letters)
  })
})

describe('a name', () => {
  it('is cut, and keeps what tells it apart', () => {
    for (const length of [0, 1, 32, 33, 40, 41, 60]) {
      for (const letter of ['x', '\u{fe0f}', '🧵']) {
        const name = `Ada${letter.repeat(length)}`
        expect(cleanName(`${name} (guest)`)).toBe(`${[...name].slice(0, 32).join('')} (guest)`)
        expect(cleanName(`${name} (ann)`)).toBe(`${[...name].slice(0, 34).join('')} (ann)`)
        expect(cleanName(name)).toBe([...name].slice(0, 40).join(''))
      }
    }
    expect(cleanName(' (guest)')).toBe('(guest)')
    expect(cleanName('\u202e\n')).toBe('Somebody')
  })
})
