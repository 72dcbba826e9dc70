/** Undo and redo of one's own edits, with the selection as it was. */
import { EditorSelection, type Extension } from '@codemirror/state'
import { EditorView, keymap, ViewPlugin, type Command, type PluginValue, type ViewUpdate } from '@codemirror/view'
import {
  createAbsolutePositionFromRelativePosition, createRelativePositionFromTypeIndex,
  type RelativePosition, type Text, type UndoManager,
} from 'yjs'
import { KEYS } from '../editor/keys'
import { fromElsewhere } from './binding'

type StackItem = UndoManager['undoStack'][number]

interface Place {
  anchor: RelativePosition
  head: RelativePosition
}

/** Keeps with every step the selection before it. */
class Places implements PluginValue {
  #before: Place

  constructor(private readonly view: EditorView, private readonly text: Text, private readonly manager: UndoManager) {
    this.#before = this.#place()
    manager.on('stack-item-added', this.#added)
    manager.on('stack-item-popped', this.#popped)
  }

  update(update: ViewUpdate): void {
    if (update.selectionSet && !update.docChanged) this.#before = this.#place()
    else if (update.docChanged && !update.transactions.some((t) => t.annotation(fromElsewhere))) {
      // The binding has not run yet: positions of the new text come with the next step.
      queueMicrotask(() => (this.#before = this.#place()))
    }
  }

  #place(): Place {
    const { anchor, head } = this.view.state.selection.main
    const at = (pos: number) => createRelativePositionFromTypeIndex(this.text, Math.min(pos, this.text.length))
    return { anchor: at(anchor), head: at(head) }
  }

  #added = ({ stackItem }: { stackItem: StackItem }): void => {
    if (!stackItem.meta.has(this)) stackItem.meta.set(this, this.#before)
  }

  #popped = ({ stackItem }: { stackItem: StackItem }): void => {
    const place = stackItem.meta.get(this) as Place | undefined
    if (!place) return
    const index = (at: RelativePosition) => createAbsolutePositionFromRelativePosition(at, this.text.doc!)?.index
    const [anchor, head] = [index(place.anchor), index(place.head)]
    if (anchor === undefined || head === undefined) return
    const longest = this.view.state.doc.length
    this.view.dispatch({
      selection: EditorSelection.single(Math.min(anchor, longest), Math.min(head, longest)),
      scrollIntoView: true,
    })
  }

  destroy(): void {
    this.manager.off('stack-item-added', this.#added)
    this.manager.off('stack-item-popped', this.#popped)
  }
}

export function undoing(text: Text, manager: UndoManager): Extension {
  const run = (step: 'undo' | 'redo'): Command => (view) => {
    if (!view.state.readOnly) manager[step]()
    return true
  }
  const [undo, redo] = [run('undo'), run('redo')]
  return [
    ViewPlugin.define((view) => new Places(view, text, manager)),
    keymap.of([
      { key: KEYS.undo, run: undo, preventDefault: true },
      { key: KEYS.redo, run: redo, preventDefault: true },
      // As Windows has it.
      { win: 'Ctrl-y', linux: 'Ctrl-y', run: redo, preventDefault: true },
    ]),
    EditorView.domEventHandlers({
      beforeinput(event, view) {
        if (event.inputType === 'historyUndo') return undo(view)
        if (event.inputType === 'historyRedo') return redo(view)
        return false
      },
    }),
  ]
}
