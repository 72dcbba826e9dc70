import { deleteCharBackward, deleteCharForward, insertNewline, insertNewlineAndIndent, moveLineDown } from '@codemirror/commands'
import { EditorSelection, EditorState, type StateCommand } from '@codemirror/state'
import { describe, expect, it } from 'vitest'
import { fromElsewhere } from './binding'
import { returns } from './returns'

const begin = (doc: string, at = 0): EditorState =>
  EditorState.create({ doc, selection: { anchor: at }, extensions: [EditorState.lineSeparator.of('\n'), returns()] })

const after = (state: EditorState, command: StateCommand): EditorState => {
  command({ state, dispatch: (transaction) => (state = transaction.state) })
  return state
}
const told = (state: EditorState): [string, number] => [state.sliceDoc(), state.selection.main.head]

describe('a text from Windows', () => {
  it('has no caret between CR and LF', () => {
    const place = (at: number, came = 0) => begin('one\r\ntwo', came).update({ selection: { anchor: at } }).state.selection.main.head
    expect([place(3), place(4), place(5)]).toEqual([3, 3, 5])
    // To the right from the end of the line, and to the left from the next one.
    expect(place(4, 3)).toBe(5)
    expect(place(4, 5)).toBe(3)
    const selected = begin('one\r\ntwo').update({ selection: EditorSelection.range(4, 8) }).state.selection.main
    expect([selected.anchor, selected.head]).toEqual([3, 8])
  })

  it('gets line breaks as it has', () => {
    expect(told(after(begin('one\r\ntwo', 3), insertNewline))).toEqual(['one\r\n\r\ntwo', 5])
    expect(told(after(begin('one\ntwo', 3), insertNewline))).toEqual(['one\n\ntwo', 4])
    expect(told(after(begin('one', 3), insertNewline))).toEqual(['one\n', 4])
    // Enter takes white space behind the caret away, and CR is that.
    expect(told(after(begin('one\r\ntwo\r\nthree', 3), insertNewlineAndIndent))).toEqual(['one\r\n\r\ntwo\r\nthree', 5])
    const pasted = begin('\r\n').update({ changes: { from: 2, insert: 'a\nb\n\nc' } }).state
    expect(pasted.sliceDoc()).toBe('\r\na\r\nb\r\n\r\nc')
    const whole = begin('a\r\nb').update({ changes: { from: 0, to: 4, insert: 'x\r\ny\nz' } }).state
    expect(whole.sliceDoc()).toBe('x\r\ny\r\nz')
  })

  it('loses both or none', () => {
    expect(told(after(begin('one\r\ntwo', 5), deleteCharBackward as StateCommand))).toEqual(['onetwo', 3])
    expect(told(after(begin('one\r\ntwo', 3), deleteCharForward as StateCommand))).toEqual(['onetwo', 3])
    expect(told(after(begin('one\r\ntwo\r\n', 1), moveLineDown))[0]).toBe('two\r\none\r\n')
    expect(told(after(begin('one\r\ntwo', 1), moveLineDown))[0]).toBe('two\r\none')
  })

  it('is what others make it', () => {
    const theirs = begin('one\r\ntwo').update({ changes: { from: 4, insert: 'x\n' }, annotations: fromElsewhere.of(true) }).state
    expect(theirs.sliceDoc()).toBe('one\rx\n\ntwo')
  })
})
