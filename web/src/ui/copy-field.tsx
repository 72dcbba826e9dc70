/** Something to pass on, with a button that copies it. */
import { useLayoutEffect, useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { Check, Copy } from './icons'

export function CopyField({ label, value, hint }: { label: string; value: string; hint?: string }) {
  const field = useRef<HTMLInputElement>(null)
  const [copied, setCopied] = useState(false)
  useLayoutEffect(() => {
    setCopied(false)
    field.current?.focus()
    field.current?.select()
  }, [value])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(value)
    } catch {
      // Pages that are not served securely have no clipboard: go the old way.
      field.current?.select()
      document.execCommand('copy')
    }
    setCopied(true)
    announce('Copied')
  }
  return (
    <div class="entry copy">
      <label class="label">
        {label}
        <span class="copy-line">
          <input ref={field} class="field" readOnly value={value} onFocus={(event) => event.currentTarget.select()} />
          <button type="button" class="button" onClick={() => void copy()}>{copied ? <Check /> : <Copy />}{copied ? 'Copied' : 'Copy'}</button>
        </span>
      </label>
      {hint && <p class="hint">{hint}</p>}
    </div>
  )
}
