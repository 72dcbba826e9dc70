/** Says that a document may only be read, quietly, and that this has changed, once. */
import { useEffect, useRef } from 'preact/hooks'
import { Eye } from '../ui/icons'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { kind } from './saved'
import type { Session } from './session'

export function Reading({ session }: { session: Session }) {
  const state = useValue(session.saved)
  const ready = useValue(session.ready)
  const shown = ready && state.reading && state.refusal === null
  // Before the first answer of the server nothing can have changed.
  const before = useRef<boolean | null>(null)
  useEffect(() => {
    if (state.link !== 'open' || !(state.reading || state.confirmed)) return
    if (before.current !== null && before.current !== state.reading && kind(state) !== 'held') {
      say(state.reading ? 'You may only read this document now.' : 'You may edit this document now.')
    }
    before.current = state.reading
  }, [state])
  return <div class="reading" data-testid="reading">{shown && <p><Eye />You may only read this document</p>}</div>
}
