import { initials } from '../person'

export function Avatar({ name, color }: { name: string; color: number }) {
  return <span class={`avatar person-${color}`} aria-hidden="true">{initials(name)}</span>
}
