/** A word about what just happened. */
import { announce } from '../announce'
import { Value, useValue } from '../value'

const toast = new Value<{ words: string; turn: number } | null>(null)
const SHOW_MS = 2_600
let timer = 0
let turn = 0

export function say(words: string): void {
  turn += 1
  toast.set({ words, turn })
  announce(words)
  window.clearTimeout(timer)
  timer = window.setTimeout(() => toast.set(null), SHOW_MS)
}

export function Toast() {
  const now = useValue(toast)
  return now && <div key={now.turn} class="toast" aria-hidden="true">{now.words}</div>
}
