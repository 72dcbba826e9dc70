/** Stands where the text will be: an editor is never shown before its document is there. */
import { SignInAgain } from '../account/again'
import { ended } from '../account/ended'
import { identity } from '../account/identity'
import { createDocument } from '../api'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { kind, type Kind } from './saved'
import type { Session } from './session'

const SAID: Partial<Record<Kind, { title: string; why: string }>> = {
  offline: { title: 'The server cannot be reached', why: 'The document opens here as soon as it answers.' },
  restarting: { title: 'The server is restarting', why: 'The document opens here in a moment.' },
  trouble: { title: 'The server cannot reach its storage', why: 'The document opens here as soon as it can be read. Nothing is lost.' },
  denied: { title: 'This document is not shared with you', why: 'Ask somebody who has it to share it with you.' },
  deleted: { title: 'This document was deleted', why: 'Its text is gone. You can start a new, empty one under the same name.' },
  'too-large': { title: 'This document is too large to open', why: 'It has grown beyond what the server takes.' },
  refused: { title: 'The server refused to open this document', why: 'Trying again may help; its reason is below.' },
}

export function Placeholder({ session }: { session: Session }) {
  const state = useValue(session.saved)
  const said = state.refusal === 'signed-out' ? ended() : SAID[kind(state)]
  const { state: who } = useValue(identity)
  if (!said) {
    return (
      <div class="placeholder" role="status" aria-label="Opening the document" data-testid="placeholder">
        {[62, 90, 84, 38, 0, 88, 70].map((width, i) => <span key={i} class={width ? `skeleton line-${width}` : 'line-0'} />)}
      </div>
    )
  }
  const start = async () => {
    try {
      await createDocument(session.name)
      await session.discard()
      location.reload()
    } catch {
      say('That did not work. Perhaps somebody has started it already: reload the page.')
    }
  }
  return (
    <div class="blank" data-testid="placeholder">
      <h2>{said.title}</h2>
      <p>{said.why}</p>
      {state.refusal === 'refused' && state.reason && <p>“{state.reason}”</p>}
      <div class="acts">
        {(state.refusal === 'signed-out' || (state.refusal === 'denied' && who === 'guest')) && <SignInAgain primary onDone={() => session.retry()} />}
        {state.refusal === 'signed-out' ? null : state.refusal === 'deleted' ? (
          <button type="button" class="button" onClick={() => void start()}>Start it again</button>
        ) : state.refusal ? (
          <button type="button" class="button" onClick={() => session.retry()}>Try again</button>
        ) : null}
        <a class="button plain" href="/">All documents</a>
      </div>
    </div>
  )
}
