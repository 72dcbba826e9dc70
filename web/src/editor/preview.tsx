/** The Markdown preview beside the text. */
import type { EditorView } from '@codemirror/view'
import { useEffect, useRef, useState } from 'preact/hooks'
import { textOf } from '../cm/binding'
import { count } from '../when'
import { blocks, draw, type Block } from './markdown'
import type { Session } from './session'

const WAIT_MS = 120
/** Blocks are drawn for this long before what was typed meanwhile has its turn. */
const SLICE_MS = 30
/** After a drawing so many times as long is left to the typing. */
const SHARE = 5
/** Longer texts are not shown: their blocks are found anew at every change. In UTF-16 units. */
const LONGEST = 250_000
const TOO_LONG = `The preview shows texts of up to ${count(LONGEST, 'character')}. This one is longer.`

export function Preview({ session, view }: { session: Session; view: EditorView }) {
  const page = useRef<HTMLElement>(null)
  const [instead, setInstead] = useState<string | null>(null)

  useEffect(() => {
    const host = page.current!
    const body = host.querySelector('.preview-text')!
    let drawn: Block[] = []
    let asked = 0
    let rest = 0
    let took = 0
    let placed = false

    const find = () => {
      asked = 0
      window.clearTimeout(rest)
      const began = performance.now()
      const long = session.text.length > LONGEST
      const now = long ? [] : blocks(textOf(session.text), drawn)
      const kept = new Set(now.map((block) => block.node))
      for (const { node } of drawn) if (!kept.has(node)) node.remove()
      let place = body.firstChild
      for (const { node } of now) {
        if (node === place) place = place.nextSibling
        else body.insertBefore(node, place)
      }
      drawn = now
      setInstead(long ? TOO_LONG : now.length === 0 ? 'What you write appears here.' : null)
      took = performance.now() - began
      fill(0)
    }
    const fill = (from: number) => {
      const began = performance.now()
      let at = from
      for (; at < drawn.length && performance.now() - began < SLICE_MS; at += 1) if (!drawn[at]!.drawn) draw(drawn[at]!)
      took += performance.now() - began
      if (at < drawn.length) rest = window.setTimeout(() => fill(at))
      else if (!placed) {
        placed = true
        scrolled()
      }
    }
    const changed = () => {
      if (!asked) asked = window.setTimeout(find, Math.max(WAIT_MS, SHARE * took))
    }
    /** Shows what stands at the top of the text. */
    const scrolled = () => {
      const { scrollTop, scrollHeight, clientHeight } = view.scrollDOM
      if (scrollTop <= 0) return void (host.scrollTop = 0)
      if (scrollTop >= scrollHeight - clientHeight - 1) return void (host.scrollTop = host.scrollHeight)
      const at = view.lineBlockAtHeight(scrollTop - view.documentPadding.top)
      const line = view.state.doc.lineAt(at.from).number - 1
      const block = drawn.findLast((b) => b.line <= line) ?? drawn[0]
      if (!block) return
      const within = Math.min(1, Math.max(0, (line - block.line) / block.lines))
      host.scrollTop = block.node.offsetTop + within * block.node.offsetHeight - 24
    }

    find()
    session.text.observe(changed)
    view.scrollDOM.addEventListener('scroll', scrolled, { passive: true })
    return () => {
      window.clearTimeout(asked)
      window.clearTimeout(rest)
      session.text.unobserve(changed)
      view.scrollDOM.removeEventListener('scroll', scrolled)
    }
  }, [session, view])

  return (
    <section ref={page} class="preview" aria-label="Preview" data-testid="preview" tabIndex={0}>
      <div class="preview-text" />
      {instead && <p class="preview-empty">{instead}</p>}
    </section>
  )
}
