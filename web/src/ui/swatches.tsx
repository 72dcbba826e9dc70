/** One of the colours that people wear. */
import { PALETTE } from '../person'

export function Swatches({ value, onChange }: { value: number; onChange: (color: number) => void }) {
  return (
    <fieldset class="swatches">
      <legend class="label">Your colour</legend>
      {PALETTE.map((color, i) => (
        <label key={color.name} class={`swatch person-${i}`} title={color.name}>
          <input type="radio" name="colour" aria-label={color.name} checked={value === i} onChange={() => onChange(i)} />
          <span />
        </label>
      ))}
    </fieldset>
  )
}
