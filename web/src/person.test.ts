import { describe, expect, it } from 'vitest'
import { initials } from './person'

describe('initials', () => {
  it('are made of letters', () => {
    const said: [string, string][] = [
      ['Ann Archer', 'AA'], ['ann', 'A'], ['Quiet Heron (guest)', 'QH'], ['Ann (guest)', 'A'], ['(guest)', 'G'], ['💚 Bob -', 'B'],
      ['Élodie van der Berg', 'ÉB'], ['7 of Nine', '7N'], ['李 雷', '李雷'], ['“Al” B.', 'AB'], ['***', '?'], ['', '?'],
    ]
    for (const [name, letters] of said) expect(initials(name), name).toBe(letters)
  })
})
