/** A button for what cannot be undone: it asks in its own place, and takes a second press for an answer. */
import type { ComponentChildren } from 'preact'
import { useState } from 'preact/hooks'

interface SureProps {
  /** What it says when it asks. */
  ask: string
  onSure: () => void
  children: ComponentChildren
  label?: string
  disabled?: boolean
}

export function Sure({ ask, onSure, children, label, disabled }: SureProps) {
  const [asking, setAsking] = useState(false)
  const press = (event: MouseEvent) => {
    // The second half of a double click is no answer.
    if (!asking) return setAsking(true)
    if (event.detail > 1) return
    setAsking(false)
    onSure()
  }
  return (
    <button
      type="button" class={asking ? 'button danger' : 'button plain'} aria-label={asking ? undefined : label} disabled={disabled} aria-live="polite"
      onClick={press} onBlur={() => setAsking(false)} onKeyDown={(event) => {
        if (!asking || event.key !== 'Escape') return
        event.preventDefault()
        event.stopPropagation()
        setAsking(false)
      }}
    >
      {asking ? ask : children}
    </button>
  )
}
