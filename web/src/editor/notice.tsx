/** What to do when the server has refused for good: nothing typed is lost, and it is said plainly. */
import { useState } from 'preact/hooks'
import { SignInAgain } from '../account/again'
import { ended } from '../account/ended'
import { identity } from '../account/identity'
import { ApiError, createDocument } from '../api'
import { Download, Warning } from '../ui/icons'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { count } from '../when'
import { textOf } from '../cm/binding'
import { kind, unsent, type Refusal } from './saved'
import type { Session } from './session'
import { download } from './share'

const TITLES: Record<Exclude<Refusal, 'signed-out'> | 'held', string> = {
  held: 'You may only read this document now',
  denied: 'This document is no longer shared with you',
  deleted: 'This document was deleted',
  replaced: 'This document was replaced',
  'too-large': 'This document has become too large',
  refused: 'The server refused the last edits',
}

function replaced(reason: string, late: number): string {
  const what = 'Somebody deleted it and began another under its name, or brought back an older state of it. You see it as it was.'
  if (late > 0) return `${what} ${count(late, 'edit')} of the last moment ${late === 1 ? 'is' : 'are'} only in this window: download the text before you go on.`
  if (/is set aside/.test(reason)) return `${what} The server keeps your text beside the document: nothing of it is lost.`
  if (/no room/.test(reason)) return `${what} The server has no room to keep what only you have: download the text before you go on.`
  return `${what} Everything you typed had reached the server before.`
}

export function Notice({ session }: { session: Session }) {
  const state = useValue(session.saved)
  const keepsCopy = useValue(session.keepsCopy)
  const [sure, setSure] = useState(false)
  const refusal = state.refusal ?? (kind(state) === 'held' ? 'held' : null)
  if (!refusal) return null
  const title = refusal === 'signed-out' ? ended().title : TITLES[refusal]
  const waiting = unsent(state)
  const kept = keepsCopy ? 'What you typed is kept in this browser.' : 'What you typed is only in this window: download it before you close it.'
  // Typed while the server made up its mind: it has not kept that.
  const late = state.edits - state.told
  const loses = refusal === 'signed-out' ? false : refusal === 'replaced' ? /no room/.test(state.reason) || late > 0 : refusal !== 'deleted' && waiting > 0
  const lost = refusal === 'replaced' ? replaced(state.reason, late) : waiting > 0 ? `${refusal === 'held' ? `The server does not take ${count(waiting, 'edit')} of yours.` : `The server has not confirmed ${count(waiting, 'edit')} of yours: perhaps it has ${waiting === 1 ? 'it' : 'them'}, perhaps not.`} ${kept}` : 'Everything you typed before had reached the server.'
  const why = refusal === 'signed-out' && identity.now.state !== 'signed_in' ? ` ${ended().why}` : ''

  const again = async () => {
    try {
      await createDocument(session.name, textOf(session.text))
      await session.discard()
      location.reload()
    } catch (error) {
      if (error instanceof ApiError && error.code === 'exists') return session.retry()
      say('That did not work. Nothing was changed.')
    }
  }
  const discard = async () => {
    await session.discard()
    location.reload()
  }

  return (
    <section class="notice" role="alert" data-testid="notice" data-kind={kind(state)} aria-label={title}>
      <Warning />
      <div>
        <h2>{title}</h2>
        <p>{lost}{why}{refusal === 'refused' && state.reason ? ` The server said: “${state.reason}”.` : ''}</p>
        <div class="notice-acts">
          {refusal === 'signed-out' && <SignInAgain primary onDone={() => session.retry()} />}
          <button type="button" class="button" onClick={() => download(session.name, textOf(session.text))}><Download />Download the text</button>
          {refusal === 'held' || refusal === 'signed-out' ? null : refusal === 'deleted' ? (
            <button type="button" class="button" onClick={() => void again()}>Start it again with this text</button>
          ) : refusal === 'replaced' && loses ? null : refusal === 'replaced' ? (
            <button type="button" class="button" onClick={() => void discard()}>Open it as it is now</button>
          ) : (
            <button type="button" class="button" onClick={() => session.retry()}>Try again</button>
          )}
          {loses && (sure ? (
            <button type="button" class="button danger" onClick={() => void discard()}>{refusal === 'replaced' ? 'Really open it without what you have' : `Really discard ${count(waiting, 'edit')}`}</button>
          ) : (
            <button type="button" class="button plain" onClick={() => setSure(true)}>{refusal === 'replaced' ? 'Open it as it is now' : 'Discard my edits'}</button>
          ))}
        </div>
      </div>
    </section>
  )
}
