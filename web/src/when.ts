/** Times as people say them. */

const relative = new Intl.RelativeTimeFormat('en', { numeric: 'auto' })
const STEPS: [Intl.RelativeTimeFormatUnit, number][] = [
  ['year', 365 * 86_400_000], ['month', 30 * 86_400_000], ['week', 7 * 86_400_000],
  ['day', 86_400_000], ['hour', 3_600_000], ['minute', 60_000],
]

/** “3 hours ago”; below a minute “just now”. */
export function ago(ms: number, now = Date.now()): string {
  const passed = now - ms
  for (const [unit, length] of STEPS) if (passed >= length) return relative.format(-Math.floor(passed / length), unit)
  return 'just now'
}

/** “in 3 days”. */
export function until(ms: number, now = Date.now()): string {
  const left = ms - now
  for (const [unit, length] of STEPS) if (left >= length) return relative.format(Math.floor(left / length), unit)
  return 'in a moment'
}

/** The whole date and time, for a title. */
export function exact(ms: number): string {
  return new Date(ms).toLocaleString(undefined, { dateStyle: 'full', timeStyle: 'medium' })
}

/** The day, as “26 Nov 2026”. */
export function day(ms: number): string {
  return new Date(ms).toLocaleDateString('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })
}

/** When something ends: by the hour, too, if that is soon. */
export function end(ms: number, now = Date.now()): string {
  return ms - now < 2 * 86_400_000 ? `${day(ms)}, ${clock(ms)}` : day(ms)
}

/** Hours and minutes. */
export function clock(ms: number): string {
  return new Date(ms).toLocaleTimeString(undefined, { hour: '2-digit', minute: '2-digit', hourCycle: 'h23' })
}

const numbers = new Intl.NumberFormat('en')

/** “1,204 words”, “1 word”. */
export function count(n: number, one: string, many = `${one}s`): string {
  return `${numbers.format(n)} ${n === 1 ? one : many}`
}
