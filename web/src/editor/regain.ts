/** Notices that a document that was refused may be opened again: seldom, and as soon as somebody looks at the page. */
import { account, identity, type Identity } from '../account/identity'
import { call, describeDocument } from '../api'
import { unsent } from './saved'
import type { Session } from './session'

const FIRST_MS = 5_000
const LONGEST_MS = 120_000
/** Between two looks, however often somebody comes back to the page. */
const LEAST_MS = 2_000

/** Whether another try would be let in, as far as can be asked without a socket. */
async function mayComeBack(session: Session): Promise<boolean> {
  const { refusal } = session.saved.now
  if (refusal === 'denied') {
    const { access } = await describeDocument(session.name)
    // What was typed is for somebody who may edit; without any, reading is enough.
    return unsent(session.saved.now) === 0 || access === 'edit' || access === 'own'
  }
  const now = await call<Identity>('/api/session')
  // What one person has typed is not sent in the name of another.
  return now.state === identity.now.state && account(now)?.login === account()?.login
}

export function watchRegained(session: Session): void {
  let timer = 0
  let wait = FIRST_MS
  let asked = 0
  let waits = false
  const look = async () => {
    window.clearTimeout(timer)
    if (!waits || Date.now() - asked < LEAST_MS) return plan()
    asked = Date.now()
    if (document.visibilityState === 'visible' && (await mayComeBack(session).catch(() => false)) && waits) return session.retry()
    wait = Math.min(LONGEST_MS, wait * 1.5)
    plan()
  }
  const plan = () => {
    window.clearTimeout(timer)
    // Not all at the same moment.
    if (waits) timer = window.setTimeout(() => void look(), wait * (0.75 + Math.random() / 2))
  }
  const seen = () => {
    if (waits && document.visibilityState === 'visible') void look()
  }
  session.saved.watch(({ refusal, savedAt }) => {
    const now = refusal === 'denied' || refusal === 'signed-out'
    if (savedAt !== null && refusal === null) wait = FIRST_MS
    if (now === waits) return
    waits = now
    plan()
  })
  document.addEventListener('visibilitychange', seen)
  window.addEventListener('focus', seen)
}
