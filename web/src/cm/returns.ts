/**
 * Texts from Windows: a line break is CR LF there, two characters of the shared text, and one to whoever types. The caret never
 * stands between them, what deletes one of them deletes both, and a new line break is like the first one of the text.
 */
import { type ChangeSpec, EditorSelection, EditorState, type Extension, type Text, type Transaction, type TransactionSpec } from '@codemirror/state'
import { fromElsewhere } from './binding'

const charAt = (text: Text, at: number): string => (at < 0 ? '' : text.sliceString(at, at + 1, '\n'))

const isBetween = (text: Text, at: number): boolean => charAt(text, at) === '\n' && charAt(text, at - 1) === '\r'

/** Whether line breaks are CR LF. */
const hasReturns = (text: Text): boolean => isBetween(text, text.line(1).to)

/** What makes whole again what a change has taken apart, as changes of the text after it. */
function mended({ startState: { doc: before }, newDoc: after, changes }: Transaction): ChangeSpec[] {
  const mends: ChangeSpec[] = []
  const returns = hasReturns(before)
  changes.iterChanges((fromA, toA, from, to) => {
    if (charAt(after, from - 1) === '\r' && isBetween(before, fromA) && charAt(after, from) !== '\n') mends.push({ from: from - 1, to: from })
    for (let at = after.lineAt(from).to; returns && at < to; at = after.lineAt(at + 1).to) {
      if (at >= from && charAt(after, at - 1) !== '\r') mends.push({ from: at, insert: '\r' })
    }
    if (charAt(after, to) === '\n' && isBetween(before, toA) && charAt(after, to - 1) !== '\r') {
      // Something else may stand there now: then the line still ends behind it.
      mends.push(from < to ? { from: to, insert: '\r' } : { from: to, to: to + 1 })
    }
  })
  return mends
}

/** A place of the caret that is none between the two: whoever comes from before them by one step goes on behind them. */
function place(text: Text, at: number, came: number): number {
  if (!isBetween(text, at)) return at
  return came === at - 1 ? at + 1 : at - 1
}

/** The selection, with no end between the two. */
function placed({ startState, newDoc, newSelection, docChanged }: Transaction): EditorSelection | undefined {
  const came = docChanged ? [] : startState.selection.ranges
  let moved = false
  const ranges = newSelection.ranges.map((range, index) => {
    const head = place(newDoc, range.head, came[index]?.head ?? -1)
    const anchor = range.empty ? head : place(newDoc, range.anchor, -1)
    if (head === range.head && anchor === range.anchor) return range
    moved = true
    return EditorSelection.range(anchor, head, range.goalColumn)
  })
  return moved ? EditorSelection.create(ranges, newSelection.mainIndex) : undefined
}

export function returns(): Extension {
  return EditorState.transactionFilter.of((transaction): TransactionSpec | readonly TransactionSpec[] => {
    if (transaction.annotation(fromElsewhere)) return transaction
    const mends = transaction.docChanged ? mended(transaction) : []
    if (mends.length > 0) return [transaction, { changes: mends, sequential: true }]
    const selection = placed(transaction)
    return selection ? [transaction, { selection, sequential: true }] : transaction
  })
}
