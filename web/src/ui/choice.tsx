/** One of a few, side by side. */
import type { ComponentChildren } from 'preact'
import { useId } from 'preact/hooks'

interface ChoiceProps<T extends string> {
  label: string
  options: { value: T; label: string; icon?: ComponentChildren }[]
  value: T
  onChange: (value: T) => void
}

/** The same inside a menu, where only menu items may stand. */
export function MenuChoice<T extends string>({ label, options, value, onChange }: ChoiceProps<T>) {
  return (
    <div class="choice" role="group" aria-label={label}>
      {options.map((option) => (
        <button key={option.value} type="button" class="choice-option" role="menuitemradio" tabIndex={-1} aria-checked={option.value === value} onClick={() => onChange(option.value)}>
          <span>{option.icon}{option.label}</span>
        </button>
      ))}
    </div>
  )
}

export function Choice<T extends string>({ label, options, value, onChange }: ChoiceProps<T>) {
  const name = useId()
  return (
    <div class="choice" role="radiogroup" aria-label={label}>
      {options.map((option) => (
        <label key={option.value} class="choice-option">
          <input type="radio" name={name} checked={option.value === value} onChange={() => onChange(option.value)} />
          <span>{option.icon}{option.label}</span>
        </label>
      ))}
    </div>
  )
}
