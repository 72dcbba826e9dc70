/** The line between text and preview; it can be dragged and moved with the arrow keys. */
import { useRef } from 'preact/hooks'

interface DividerProps {
  /** Percent of the width that the text takes. */
  at: number
  onMove: (at: number) => void
}

const LEAST = 25
const MOST = 75
const bounded = (at: number) => Math.min(MOST, Math.max(LEAST, Math.round(at)))

export function Divider({ at, onMove }: DividerProps) {
  const held = useRef(false)
  return (
    <div
      class="divider" role="separator" aria-orientation="vertical" aria-label="Width of text and preview" tabIndex={0}
      aria-valuenow={at} aria-valuemin={LEAST} aria-valuemax={MOST}
      onPointerDown={(event) => {
        held.current = true
        event.currentTarget.setPointerCapture(event.pointerId)
        event.preventDefault()
      }}
      onPointerMove={(event) => {
        if (!held.current) return
        const box = event.currentTarget.parentElement!.getBoundingClientRect()
        onMove(bounded(((event.clientX - box.left) / box.width) * 100))
      }}
      onPointerUp={() => (held.current = false)}
      onPointerCancel={() => (held.current = false)}
      onDblClick={() => onMove(50)}
      onKeyDown={(event) => {
        const by = { ArrowLeft: -2, ArrowRight: 2 }[event.key]
        if (!by) return
        event.preventDefault()
        onMove(bounded(at + by))
      }}
    />
  )
}
