/** Code and tables inside prose keep their columns: their lines are set in the fixed pitch. */
import { syntaxTree } from '@codemirror/language'
import { RangeSetBuilder, type Extension } from '@codemirror/state'
import { Decoration, ViewPlugin, type DecorationSet, type EditorView } from '@codemirror/view'

const FIXED = new Set(['FencedCode', 'CodeBlock', 'Table'])
const mark = Decoration.line({ class: 'rw-fixed' })

function lines(view: EditorView): DecorationSet {
  const marked = new RangeSetBuilder<Decoration>()
  let last = -1
  for (const { from, to } of view.visibleRanges) {
    syntaxTree(view.state).iterate({
      from,
      to,
      enter(node) {
        if (!FIXED.has(node.name)) return
        for (let at = Math.max(node.from, from); at <= Math.min(node.to, to); ) {
          const line = view.state.doc.lineAt(at)
          if (line.from > last) marked.add(line.from, line.from, mark)
          last = Math.max(last, line.from)
          at = line.to + 1
        }
        return false
      },
    })
  }
  return marked.finish()
}

export function fixedLines(): Extension {
  return ViewPlugin.define(
    (view) => ({
      decorations: lines(view),
      update(update) {
        if (update.docChanged || update.viewportChanged || syntaxTree(update.state) !== syntaxTree(update.startState)) {
          this.decorations = lines(update.view)
        }
      },
    }),
    { decorations: (plugin) => plugin.decorations },
  )
}
