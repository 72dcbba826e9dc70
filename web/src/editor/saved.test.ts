import { describe, expect, it } from 'vitest'
import { begin, kind, next, unsent, type Event, type Saved } from './saved'

const after = (events: Event[], from: Saved = begin(0)) => events.reduce(next, from)
const opened: Event = { type: 'opened' }
const edit: Event = { type: 'edit' }
const marker = (edit: number, at = 1): Event => ({ type: 'marker', edit, at })
const closed = (code: number): Event => ({ type: 'closed', code, reason: '' })

describe('the state line', () => {
  it('says saved only after a marker, never because a socket opened', () => {
    expect(kind(after([]))).toBe('connecting')
    expect(kind(after([opened]))).toBe('connecting')
    expect(kind(after([opened, marker(0)]))).toBe('saved')
  })

  it('waits for the marker of the newest edit', () => {
    const state = after([opened, marker(0), edit, edit, edit])
    expect(kind(state)).toBe('saving')
    expect(kind(next(state, marker(2)))).toBe('saving')
    expect(unsent(next(state, marker(2)))).toBe(1)
    const saved = next(state, marker(3, 42))
    expect([kind(saved), saved.savedAt]).toEqual(['saved', 42])
  })

  it('does not move the time of saving while something is unsaved', () => {
    expect(after([opened, edit, marker(1, 5), edit, edit, marker(2, 9)]).savedAt).toBe(5)
  })

  it('knows no time of saving for a document that was only opened', () => {
    expect(after([opened, marker(0, 5)]).savedAt).toBeNull()
    expect(after([opened, edit, marker(1, 5), marker(1, 9)]).savedAt).toBe(5)
  })

  it('counts what is unsent, also that of an earlier visit', () => {
    const state = after([opened, closed(1006), { type: 'missed' }, edit], begin(4))
    expect([kind(state), unsent(state)]).toEqual(['offline', 5])
    expect(kind(after([opened], state))).toBe('saving')
    expect(kind(after([opened, marker(5)], state))).toBe('saved')
  })

  it('says that saving is slow while it is, and never of what is saved', () => {
    const slow: Event = { type: 'slow', still: true }
    const typed = after([opened, marker(0), edit, slow])
    expect([kind(typed), typed.slow]).toEqual(['saving', true])
    expect(next(typed, { type: 'slow', still: false }).slow).toBe(false)
    expect(next(typed, marker(1)).slow).toBe(false)
    expect(after([opened, edit, marker(1), slow]).slow).toBe(false)
  })

  it('keeps no confirmation over a reconnect', () => {
    expect(kind(after([opened, marker(0), closed(1006), opened]))).toBe('connecting')
  })

  it('believes no marker without a connection', () => {
    expect(kind(after([opened, edit, closed(1006), marker(1)]))).toBe('connecting')
    expect(unsent(after([opened, edit, closed(1006), marker(1)]))).toBe(1)
  })

  it('never counts more as saved than there is', () => {
    expect(unsent(after([opened, edit, marker(99), edit]))).toBe(1)
  })

  it('tells a restart and storage trouble from being offline, until confirmed again', () => {
    const restarting = after([opened, marker(0), closed(1012)])
    expect(kind(restarting)).toBe('restarting')
    expect(kind(after([closed(1006)], restarting))).toBe('restarting')
    expect(kind(after([{ type: 'missed' }], restarting))).toBe('offline')
    const trouble = after([opened, marker(0), closed(1011), { type: 'missed' }])
    expect(kind(trouble)).toBe('trouble')
    expect(kind(after([opened, marker(0)], trouble))).toBe('saved')
  })

  it('stays refused until asked to try again', () => {
    for (const [code, said] of [[4403, 'denied'], [4401, 'signed-out'], [4404, 'deleted'], [4409, 'replaced'], [4413, 'too-large'], [4400, 'refused'], [4455, 'refused']] as const) {
      const state = after([opened, marker(0), edit, closed(code), { type: 'missed' }, edit])
      expect([kind(state), unsent(state)]).toEqual([said, 2])
      expect(kind(next(state, { type: 'retry' }))).toBe('connecting')
    }
  })
  it('never calls saved what a reader has typed', () => {
    const reading: Event = { type: 'access', mayEdit: false }
    expect(kind(after([opened, reading, marker(0)]))).toBe('saved')
    const held = after([opened, marker(0), edit, reading])
    expect([kind(held), unsent(held)]).toEqual(['held', 1])
    expect(kind(next(held, { type: 'slow', still: true }))).toBe('held')
    expect(kind(after([{ type: 'access', mayEdit: true }, opened, marker(1)], held))).toBe('saved')
  })
})
