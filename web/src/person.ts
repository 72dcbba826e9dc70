/** Who is here: names, and colours from one palette that is legible in both themes. */
import { beginning } from './called'
import { keep, recall } from './kept'
import { Value } from './value'

export interface Person {
  name: string
  /** Place in `PALETTE`. */
  color: number
}

/** The light shades, as other editors are told them; the page itself uses `--person-n`. */
export const PALETTE = [
  { name: 'Rose', hex: '#b3265e' }, { name: 'Rust', hex: '#b04a09' }, { name: 'Moss', hex: '#6b6a0b' },
  { name: 'Fern', hex: '#217a3c' }, { name: 'Lagoon', hex: '#0b7285' }, { name: 'Cobalt', hex: '#2b5fc7' },
  { name: 'Iris', hex: '#6b48c8' }, { name: 'Orchid', hex: '#9b3193' },
] as const

const FIRST = ['Quiet', 'Kind', 'Early', 'Bright', 'Patient', 'Merry', 'Gentle', 'Curious', 'Steady', 'Nimble', 'Calm', 'Bold']
const SECOND = ['Heron', 'Otter', 'Finch', 'Badger', 'Plover', 'Marten', 'Curlew', 'Hare', 'Seal', 'Wren', 'Lynx', 'Tern']

function generated(): Person {
  const pick = (from: string[]) => from[Math.floor(Math.random() * from.length)]!
  return { name: `${pick(FIRST)} ${pick(SECOND)}`, color: Math.floor(Math.random() * PALETTE.length) }
}

/** The person at this browser. */
export const me = new Value<Person>(remembered())
/** The colour is one that this person asked for. */
let chosen = recall<{ chosen?: unknown } | null>('me', null)?.chosen === true

function remembered(): Person {
  const kept = recall<Partial<Person> | null>('me', null)
  if (kept && typeof kept.name === 'string' && typeof kept.color === 'number' && PALETTE[kept.color]) {
    return { name: cleanName(kept.name), color: kept.color }
  }
  const fresh = generated()
  keep('me', fresh)
  return fresh
}

export function rename(person: Person): void {
  const clean = { ...person, name: cleanName(person.name) }
  chosen ||= person.color !== me.now.color
  keep('me', { ...clean, chosen })
  me.set(clean)
}

/** Takes the name and the colour of an account; this browser's own stay kept for when it is not used. */
export function become(name: string, color: string | null): void {
  chosen = color !== null
  me.set({ name: cleanName(name), color: color === null ? me.now.color : nearestColor(color, 0) })
}

/** Changes a colour that nobody asked for to one that is free, on this page only. */
export function makeWay(taken: number[]): void {
  const free = PALETTE.map((_, i) => i).filter((i) => !taken.includes(i))
  if (chosen || !taken.includes(me.now.color) || free.length === 0) return
  me.set({ ...me.now, color: free[Math.floor(Math.random() * free.length)]! })
}

/** A name as it may be shown: no control or direction characters, and not too long. */
export function cleanName(name: unknown): string {
  const text = typeof name === 'string' ? name : ''
  const clean = text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (c) => (c === '\u200d' ? c : '')).trim()
  return beginning(clean) || 'Somebody'
}

/** The palette's colour that comes nearest to what another editor announced. */
export function nearestColor(color: unknown, client: number): number {
  const rgb = typeof color === 'string' ? parse(color) : null
  if (!rgb) return client % PALETTE.length
  let best = 0
  let least = Infinity
  PALETTE.forEach(({ hex }, i) => {
    const other = parse(hex)!
    const distance = Math.abs(((hue(rgb) - hue(other) + 540) % 360) - 180)
    if (distance < least) [best, least] = [i, distance]
  })
  return best
}

function parse(color: string): [number, number, number] | null {
  const found = /^#([0-9a-f]{2})([0-9a-f]{2})([0-9a-f]{2})/i.exec(color)
  return found && [parseInt(found[1]!, 16), parseInt(found[2]!, 16), parseInt(found[3]!, 16)]
}

function hue([r, g, b]: [number, number, number]): number {
  const degrees = (Math.atan2(Math.sqrt(3) * (g - b), 2 * r - g - b) * 180) / Math.PI
  return (degrees + 360) % 360
}

/** One or two letters for an avatar. */
export function initials(name: string): string {
  // The server's mark is no part of a name.
  const words = name.replace(/(.)\s*\(guest\)$/, '$1').match(/[\p{L}\p{N}][^\s]*/gu) ?? []
  const first = (word: string) => [...word][0]!
  const letters = words.length === 0 ? '?' : words.length === 1 ? first(words[0]!) : first(words[0]!) + first(words.at(-1)!)
  return letters.toUpperCase()
}
