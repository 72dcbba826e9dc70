/** One of a few, from a list that opens. */
interface SelectProps<T extends string> {
  label: string
  /** The label is heard and not seen. */
  bare?: boolean
  options: readonly (readonly [value: T, label: string])[]
  value: T
  onChange: (value: T) => void
  disabled?: boolean
}

export function Select<T extends string>({ label, bare, options, value, onChange, disabled }: SelectProps<T>) {
  const select = (
    <select
      class="field select" aria-label={bare ? label : undefined} aria-disabled={disabled} value={value}
      onChange={(event) => {
        const wanted = event.currentTarget.value as T
        // It shows what counts, not what is wished for.
        event.currentTarget.value = value
        if (!disabled) onChange(wanted)
      }}
    >
      {options.map(([value, label]) => <option key={value} value={value}>{label}</option>)}
    </select>
  )
  return bare ? select : <label class="label entry">{label}{select}</label>
}
