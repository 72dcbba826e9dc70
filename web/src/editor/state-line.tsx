/** The line that says where the text is kept. Its words come from what the server confirmed. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ended } from '../account/ended'
import { announce } from '../announce'
import { useValue } from '../value'
import { clock, count } from '../when'
import { kind, unsent, type Kind, type Saved } from './saved'
import type { Session } from './session'

/** “Saved” waits this long after the last keystroke, so that the line does not flicker while typing. */
const CALM_MS = 350

export function words(state: Saved, keepsCopy: boolean, blank: boolean): string {
  const waiting = unsent(state)
  const left = waiting > 0 ? ` · ${count(waiting, 'unsent edit')}${keepsCopy ? '' : ', only in this window'}` : ''
  // Said here and not in the title alone: a phone shows no titles.
  const kept = waiting > 0 && keepsCopy ? `${left}, kept in this browser until sent` : left
  switch (kind(state)) {
    case 'connecting': return waiting > 0 ? `Connecting…${left}` : 'Connecting…'
    case 'offline': return `Offline${kept}`
    case 'saving': return state.slow ? `Saving takes long${left}` : 'Saving…'
    case 'saved': return blank ? 'Nothing to save yet' : state.savedAt === null ? 'Saved' : `Saved at ${clock(state.savedAt)}`
    case 'held': return `Not sent${left}`
    case 'signed-out': return `${ended().short}${kept}`
    case 'denied': return `Not allowed${left}`
    case 'deleted': return `Deleted${left}`
    case 'replaced': return 'Replaced'
    case 'too-large': return `Too large${left}`
    case 'refused': return `Refused${left}`
    case 'restarting': return `Server restarting${kept}`
    case 'trouble': return `${state.cause === 'busy' ? 'Server busy' : 'Server cannot save'}${kept}`
  }
}

const TITLES: Record<Kind, string> = {
  connecting: 'Waiting for the server’s answer.',
  offline: 'The server cannot be reached. This page keeps trying.',
  saving: 'Sent; the server has not yet confirmed that it is on its disk.',
  saved: 'The server has confirmed that every edit is on its disk.',
  held: 'You may only read this document: the server does not take your edits.',
  'signed-out': 'The server does not know who you are any more.',
  denied: 'This document is not shared with you.',
  deleted: 'Somebody deleted this document.',
  replaced: 'This name stands for another document now, or for an older state of this one.',
  'too-large': 'The document has become larger than the server takes.',
  refused: 'The server could not accept what was sent.',
  restarting: 'The server is restarting. This page comes back by itself.',
  trouble: 'The server is up but cannot keep edits just now. This page keeps trying.',
}

/** The state as shown: the same at once, but for a calm “saved”. */
function useShown(session: Session): Saved {
  const now = useValue(session.saved)
  const [shown, setShown] = useState(now)
  const current = useRef(shown)
  current.current = shown
  useEffect(() => {
    if (kind(now) !== 'saved' || kind(current.current) === 'saved') {
      setShown(now)
      return
    }
    const timer = window.setTimeout(() => setShown(now), CALM_MS)
    return () => window.clearTimeout(timer)
  }, [now])
  // Never show less trouble than there is, not even for one frame.
  return kind(now) === 'saved' ? shown : now
}

export function StateLine({ session }: { session: Session }) {
  const state = useShown(session)
  const keepsCopy = useValue(session.keepsCopy)
  const blank = useValue(session.blank)
  const said = kind(state)
  const before = useRef<Kind>(said)
  useEffect(() => {
    const was = before.current
    before.current = said
    // Saving and saved take turns at every word: only what changes the situation is spoken.
    const quiet = new Set<Kind>(['saving', 'saved', 'connecting'])
    if (was === said || (quiet.has(was) && quiet.has(said))) return
    if (said !== 'connecting' && said !== 'saving') announce(words(state, keepsCopy, blank))
    else before.current = was
  }, [said])
  return (
    <div class="state" data-testid="state" data-state={said} title={TITLES[said]}>
      <i aria-hidden="true" />
      <span class="visually-hidden">State: </span>
      <span class="state-words">{words(state, keepsCopy, blank)}</span>
    </div>
  )
}
