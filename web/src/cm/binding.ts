/**
 * Keeps the editor's text and the shared text the same. Written here rather than taken from
 * y-codemirror.next, which throws on the objects a foreign editor may embed in a text and mistakes a
 * batch of transactions for its first one.
 */
import { Annotation, EditorState, type ChangeSpec, type Extension } from '@codemirror/state'
import { EditorView, ViewPlugin, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Text, YTextEvent, Transaction } from 'yjs'
import { TYPED } from '../editor/session'

/** On every transaction that brings a change from elsewhere. */
export const fromElsewhere = Annotation.define<boolean>()

/** Stands for one embedded object, which counts as one unit of text. */
const EMBEDDED = '\ufffc'

interface Delta {
  insert?: unknown
  delete?: number
  retain?: number
}

/** The shared text as the editor shows it. */
export function textOf(text: Text): string {
  const plain = text.toString()
  if (plain.length === text.length) return plain
  return (text.toDelta() as Delta[]).map(({ insert }) => (typeof insert === 'string' ? insert : EMBEDDED)).join('')
}

class Binding implements PluginValue {
  constructor(private readonly view: EditorView, private readonly text: Text) {
    text.observe(this.#arrive)
  }

  #arrive = (event: YTextEvent, transaction: Transaction): void => {
    if (transaction.origin === TYPED) return
    const changes: ChangeSpec[] = []
    let at = 0
    for (const part of event.delta as Delta[]) {
      if (part.insert !== undefined) {
        changes.push({ from: at, insert: typeof part.insert === 'string' ? part.insert : EMBEDDED })
      } else if (part.delete) {
        changes.push({ from: at, to: at + part.delete })
        at += part.delete
      } else {
        at += part.retain ?? 0
      }
    }
    if (changes.length > 0) this.view.dispatch({ changes, annotations: fromElsewhere.of(true), filter: false })
  }

  update(update: ViewUpdate): void {
    for (const transaction of update.transactions) {
      if (!transaction.docChanged || transaction.annotation(fromElsewhere)) continue
      this.text.doc!.transact(() => {
        let shift = 0
        transaction.changes.iterChanges((from, to, _from, _to, inserted) => {
          const insert = inserted.sliceString(0, inserted.length, '\n')
          if (to > from) this.text.delete(from + shift, to - from)
          if (insert) this.text.insert(from + shift, insert)
          shift += insert.length - (to - from)
        })
      }, TYPED)
    }
  }

  destroy(): void {
    this.text.unobserve(this.#arrive)
  }
}

export function binding(text: Text): Extension {
  return [
    // Without this the editor would count a CR LF that another editor wrote as one unit.
    EditorState.lineSeparator.of('\n'),
    EditorView.clipboardInputFilter.of((pasted) => pasted.replace(/\r\n?/g, '\n')),
    ViewPlugin.define((view) => new Binding(view, text)),
  ]
}
