import { describe, expect, it } from 'vitest'
import { begin, next, type Event } from './saved'
import { words } from './state-line'

/** A page with two edits after which this happened. */
const after = (...events: Event[]) => events.reduce(next, begin(2))

describe('the state line', () => {
  it('says where unsent edits are and that they will be sent', () => {
    const offline = after({ type: 'missed' })
    expect(words(offline, true, false)).toBe('Offline · 2 unsent edits, kept in this browser until sent')
    expect(words(offline, false, false)).toBe('Offline · 2 unsent edits, only in this window')
    for (const code of [1011, 1012, 1013]) {
      expect(words(after({ type: 'closed', code, reason: '' }), true, false), `${code}`).toMatch(/kept in this browser until sent$/)
    }
  })

  it('does not promise to send what was refused', () => {
    for (const code of [4400, 4403, 4404, 4413]) {
      expect(words(after({ type: 'closed', code, reason: '' }), true, false), `${code}`).toMatch(/ · 2 unsent edits$/)
    }
  })

  it('has nothing to add when nothing is unsent', () => {
    expect(words(next(begin(0), { type: 'missed' }), true, false)).toBe('Offline')
  })
})
