/** The Markdown preview beside the text. */
import type { EditorView } from '@codemirror/view'
import { useEffect, useRef, useState } from 'preact/hooks'
import { textOf } from '../cm/binding'
import { blocks, type Block } from './markdown'
import type { Session } from './session'

const WAIT_MS = 120

export function Preview({ session, view }: { session: Session; view: EditorView }) {
  const page = useRef<HTMLElement>(null)
  const [empty, setEmpty] = useState(false)

  useEffect(() => {
    const host = page.current!
    const body = host.querySelector('.preview-text')!
    let drawn: Block[] = []
    let timer = 0

    const draw = () => {
      timer = 0
      const now = blocks(textOf(session.text), drawn)
      const kept = new Set(now.map((block) => block.node))
      for (const { node } of drawn) if (!kept.has(node)) node.remove()
      now.forEach(({ node }, i) => {
        if (body.children[i] !== node) body.insertBefore(node, body.children[i] ?? null)
      })
      drawn = now
      setEmpty(now.length === 0)
    }
    const changed = () => {
      if (!timer) timer = window.setTimeout(draw, WAIT_MS)
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

    draw()
    scrolled()
    session.text.observe(changed)
    view.scrollDOM.addEventListener('scroll', scrolled, { passive: true })
    return () => {
      window.clearTimeout(timer)
      session.text.unobserve(changed)
      view.scrollDOM.removeEventListener('scroll', scrolled)
    }
  }, [session, view])

  return (
    <section ref={page} class="preview" aria-label="Preview" data-testid="preview" tabIndex={0}>
      <div class="preview-text" />
      {empty && <p class="preview-empty">What you write appears here.</p>}
    </section>
  )
}
