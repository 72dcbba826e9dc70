/** Says something to screen readers, politely. Repeating the same words is heard again. */
let turn = false
let clear = 0

export function announce(words: string): void {
  const region = document.getElementById('announcer')
  if (!region) return
  turn = !turn
  region.textContent = words + (turn ? '\u00a0' : '')
  window.clearTimeout(clear)
  clear = window.setTimeout(() => (region.textContent = ''), 8_000)
}
