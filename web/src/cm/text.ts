/** The text editor of a session, assembled from its features. */
import { defaultKeymap, indentWithTab } from '@codemirror/commands'
import { bracketMatching, indentOnInput } from '@codemirror/language'
import { Compartment, EditorState, type Extension } from '@codemirror/state'
import {
  drawSelection, dropCursor, EditorView, highlightActiveLineGutter, highlightSpecialChars, keymap, lineNumbers,
  rectangularSelection, crosshairCursor,
} from '@codemirror/view'
import type { Presence } from '../editor/presence'
import type { Session } from '../editor/session'
import type { Value } from '../value'
import { binding, textOf } from './binding'
import { carets } from './carets'
import { counting, type Counts } from './counts'
import { follow } from './follow'
import type { Kind } from './language'
import { look } from './look'
import { fixedLines } from './markdown-lines'
import { returns } from './returns'
import { undoing } from './undo'

export interface TextEditor {
  view: EditorView
  setWrap(on: boolean): void
  setReadOnly(on: boolean): void
  /** Adds a feature that was loaded later. */
  add(extension: Extension): void
}

export interface TextOptions {
  session: Session
  presence: Presence
  kind: Kind
  wrap: boolean
  counts: Value<Counts>
  keys: Extension
}

/** Control and direction characters are shown. */
const SPECIAL = /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u00ad\u061c\u200b\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069\ufeff\ufff9-\ufffb]/g

/** The CR that files from Windows carry is not seen, but without a box of its own a line that has nothing else would not be, either. */
function special(code: number, description: string | null, placeholder: string): HTMLElement {
  const shown = document.createElement('span')
  if (code === 13) {
    shown.className = 'rw-return'
    return shown
  }
  shown.className = 'cm-specialChar'
  shown.textContent = placeholder
  shown.title = shown.ariaLabel = description ?? placeholder
  return shown
}

/** Longer texts stay plain: a single huge paragraph would be parsed anew at every keystroke. */
const COLOURED = 500_000

export function createText(parent: HTMLElement, { session, presence, kind, wrap, counts, keys }: TextOptions): TextEditor {
  const wrapping = new Compartment()
  const reading = new Compartment()
  const language = new Compartment()
  const later = new Compartment()
  const added: Extension[] = []
  const code: Extension = [lineNumbers(), highlightActiveLineGutter(), bracketMatching(), indentOnInput()]

  const view = new EditorView({
    parent,
    state: EditorState.create({
      doc: textOf(session.text),
      extensions: [
        keys,
        undoing(session.text, session.undo),
        binding(session.text),
        returns(),
        EditorState.allowMultipleSelections.of(true),
        EditorState.tabSize.of(4),
        highlightSpecialChars({ specialChars: SPECIAL, render: special }),
        drawSelection(),
        dropCursor(),
        rectangularSelection(),
        crosshairCursor(),
        carets(presence),
        follow(presence),
        counting(counts),
        kind.style === 'code' ? code : [],
        kind.markdown ? fixedLines() : [],
        wrapping.of(wrap ? EditorView.lineWrapping : []),
        reading.of([]),
        language.of([]),
        later.of([]),
        look(kind.style),
        EditorView.contentAttributes.of({
          'aria-label': `Text of ${session.name}`,
          spellcheck: kind.style === 'prose' ? 'true' : 'false',
          autocorrect: kind.style === 'prose' ? 'on' : 'off',
          autocapitalize: kind.style === 'prose' ? 'sentences' : 'off',
          'data-gramm': 'false',
          tabindex: '0',
        }),
        keymap.of([...defaultKeymap, indentWithTab]),
      ],
    }),
  })

  if (session.text.length <= COLOURED) kind.load?.().then(
    (support) => view.dispatch({ effects: language.reconfigure(support) }),
    () => {}, // Without its colours the text is still whole.
  )

  return {
    view,
    setWrap: (on) => view.dispatch({ effects: wrapping.reconfigure(on ? EditorView.lineWrapping : []) }),
    setReadOnly: (on) => view.dispatch({ effects: reading.reconfigure(on ? EditorState.readOnly.of(true) : []) }),
    add(extension) {
      added.push(extension)
      view.dispatch({ effects: later.reconfigure(added) })
    },
  }
}
