/** A word about what just happened, perhaps with something that can be done about it. */
import { announce } from '../announce'
import { Value, useValue } from '../value'

interface Act {
  label: string
  run: () => void
}

const toast = new Value<{ words: string; act: Act | undefined; turn: number } | null>(null)
const SHOW_MS = 2_600
/** Long enough to find it, with a keyboard, too. */
const SHOW_ACT_MS = 10_000
let timer = 0
let turn = 0

const end = () => toast.set(null)

function keep(ms: number): void {
  window.clearTimeout(timer)
  timer = window.setTimeout(end, ms)
}

export function say(words: string, act?: Act): void {
  turn += 1
  toast.set({ words, act, turn })
  announce(act ? `${words}. ${act.label} is at the end of the page.` : words)
  keep(act ? SHOW_ACT_MS : SHOW_MS)
}

export function Toast() {
  const now = useValue(toast)
  if (!now) return null
  const { words, act } = now
  if (!act) return <div key={now.turn} class="toast" aria-hidden="true">{words}</div>
  const stay = () => window.clearTimeout(timer)
  return (
    <div key={now.turn} class="toast with-act" onPointerEnter={stay} onPointerLeave={() => keep(SHOW_MS)} onFocusIn={stay} onFocusOut={() => keep(SHOW_MS)}>
      <span>{words}</span>
      <button type="button" onClick={() => { end(); act.run() }}>{act.label}</button>
    </div>
  )
}
