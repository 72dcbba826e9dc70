import { describe, expect, it } from 'vitest'
import { ApiError } from '../api'
import { lookedIn, unsearched } from './texts'

const nothing = { found: [], next: null, isComplete: true, error: null }

describe('a search of texts', () => {
  it('has found nothing only where all was looked through', () => {
    expect(lookedIn(nothing)).toBe('Neither in the names nor in the texts')
    expect(lookedIn({ ...nothing, isComplete: false })).toBe('Not in the names')
    expect(lookedIn({ ...nothing, error: new ApiError('storage', '') })).toBe('Not in the names')
    expect(lookedIn(null)).toBe('Not in the names')
  })

  it('says why it was not made', () => {
    const refused = new ApiError('bad_query', '')
    for (const q of ['*', '- “!”', '']) expect(unsearched(refused, q), q).toMatch(/^There is no word in this/)
    for (const q of ['x'.repeat(256) + 'é', '縄'.repeat(90), 'one '.repeat(17)]) expect(unsearched(refused, q), q).toMatch(/^This is too long/)
    expect(unsearched(new ApiError('storage', 'It is broken.'), 'a')).toBe('The texts could not be searched. It is broken.')
    expect(unsearched(new ApiError('not_found', ''), 'a')).toBeNull()
  })
})
