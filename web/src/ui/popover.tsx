/** A panel that hangs from a button: closed by Escape, by a press elsewhere, and by leaving it with Tab. */
import type { ComponentChildren } from 'preact'
import { useEffect, useId, useRef, useState } from 'preact/hooks'

interface PopoverProps {
  /** The accessible name of the button and of the panel. */
  label: string
  button: ComponentChildren
  buttonClass?: string
  buttonTitle?: string
  testid?: string
  /** `menu` moves with the arrow keys and holds menu items; `dialog` holds anything. */
  role: 'menu' | 'dialog'
  children: (close: () => void) => ComponentChildren
}

const ITEMS = '[role^="menuitem"]:not([disabled]), input, button:not([disabled]):not([tabindex="-1"])'

export function Popover({ label, button, buttonClass = 'icon-button', buttonTitle, testid, role, children }: PopoverProps) {
  const [open, setOpen] = useState(false)
  const root = useRef<HTMLDivElement>(null)
  const trigger = useRef<HTMLButtonElement>(null)
  const panel = useRef<HTMLDivElement>(null)
  const id = useId()

  const close = () => {
    if (panel.current?.contains(document.activeElement)) trigger.current?.focus()
    setOpen(false)
  }

  useEffect(() => {
    if (!open) return
    panel.current?.querySelector<HTMLElement>(ITEMS)?.focus()
    const away = (event: Event) => {
      if (!root.current?.contains(event.target as Node)) setOpen(false)
    }
    document.addEventListener('pointerdown', away, true)
    document.addEventListener('focusin', away)
    return () => {
      document.removeEventListener('pointerdown', away, true)
      document.removeEventListener('focusin', away)
    }
  }, [open])

  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === 'Escape' && open) {
      event.stopPropagation()
      close()
      return
    }
    if (role !== 'menu' || !open) return
    const items = [...(panel.current?.querySelectorAll<HTMLElement>(ITEMS) ?? [])]
    const at = items.indexOf(document.activeElement as HTMLElement)
    const to = new Map([['ArrowDown', at + 1], ['ArrowUp', at < 0 ? -1 : at - 1], ['Home', 0], ['End', -1]]).get(event.key)
    if (to === undefined || items.length === 0) return
    event.preventDefault()
    items.at(to % items.length)?.focus()
  }

  return (
    <div class="popover-root" ref={root} onKeyDown={onKeyDown}>
      <button
        ref={trigger} type="button" class={buttonClass} aria-label={label} title={buttonTitle ?? label} data-testid={testid}
        aria-haspopup={role} aria-expanded={open} aria-controls={open ? id : undefined} onClick={() => (open ? close() : setOpen(true))}
      >
        {button}
      </button>
      {open && (
        <div ref={panel} id={id} class={`popover ${role}`} role={role} aria-label={label}>
          {children(close)}
        </div>
      )}
    </div>
  )
}

interface ItemProps {
  icon?: ComponentChildren
  keys?: string
  checked?: boolean
  disabled?: boolean
  onChoose: () => void
  children: ComponentChildren
}

export function Item({ icon, keys, checked, disabled, onChoose, children }: ItemProps) {
  return (
    <button
      type="button" class="item" tabIndex={-1} disabled={disabled} onClick={onChoose}
      role={checked === undefined ? 'menuitem' : 'menuitemcheckbox'} aria-checked={checked}
    >
      <span class="item-icon">{icon}</span>
      <span class="item-label">{children}</span>
      {checked && <span class="item-check"><svg width="16" height="16" viewBox="0 0 16 16" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true"><path d="m3.5 8.5 3 3 6-6.5" /></svg></span>}
      {keys && <kbd class="item-keys" aria-hidden="true">{keys}</kbd>}
    </button>
  )
}
