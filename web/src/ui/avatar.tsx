import { initials } from '../person'

export function Avatar({ name, color }: { name: string; color: number }) {
  // Drawn by the style sheet: the letters are a picture, the button around them has the name.
  return <span class={`avatar person-${color}`} data-letters={initials(name)} aria-hidden="true" />
}
