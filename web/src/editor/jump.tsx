/** Goes to a line, or to a line and a column: “12” or “12:5”. */
import type { EditorView } from '@codemirror/view'
import { EditorView as View } from '@codemirror/view'
import { useState } from 'preact/hooks'
import { Dialog } from '../ui/dialog'
import { count } from '../when'

export function Jump({ view, onClose }: { view: EditorView; onClose: () => void }) {
  const lines = view.state.doc.lines
  const [place, setPlace] = useState('')
  const [line, column] = place.split(':').map((n) => Number.parseInt(n.trim(), 10))
  const wrong = place.trim() !== '' && !(line !== undefined && line >= 1)
  const go = (event: Event) => {
    event.preventDefault()
    if (!line || line < 1) return
    const target = view.state.doc.line(Math.min(line, lines))
    const at = Math.min(target.to, target.from + Math.max(0, (column || 1) - 1))
    onClose()
    view.dispatch({ selection: { anchor: at }, effects: View.scrollIntoView(at, { y: 'center' }) })
    requestAnimationFrame(() => view.focus())
  }
  return (
    <Dialog title="Jump to line" onClose={onClose}>
      <form onSubmit={go}>
        <label class="label" for="jump">Line, or line:column, of {count(lines, 'line')}</label>
        <div class="jump-row">
          <input id="jump" class="field" inputMode="numeric" autocomplete="off" value={place} aria-invalid={wrong} onInput={(event) => setPlace(event.currentTarget.value)} autofocus />
          <button type="submit" class="button primary" disabled={!line || line < 1}>Go</button>
        </div>
      </form>
    </Dialog>
  )
}
