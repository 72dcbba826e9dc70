/** The browsers in which one is signed in. */
import { announce } from '../announce'
import { send } from '../api'
import { Sure } from '../ui/sure'
import { ago, exact } from '../when'
import { useAttempt } from './attempt'
import { browserName } from './browser'
import { Complaint } from './fields'
import { Listed, useFetched } from './listed'
import type { Session } from './people'

type Own = Session & { is_this: boolean }

export function Sessions() {
  const sessions = useFetched(async () => (await send<{ sessions: Own[] }>('GET', '/api/sessions')).sessions)
  const attempt = useAttempt()
  const end = (path: string, said: string) => attempt.run(async () => {
    await send('DELETE', path)
    await sessions.load()
    announce(said)
  })
  return (
    <Listed of={sessions}>
      {(all) => (
        <>
          <ul class="parties">
            {[...all].sort((a, b) => Number(b.is_this) - Number(a.is_this) || b.seen_at - a.seen_at).map((session) => (
              <li key={session.id} data-testid="session">
                <span class="party">
                  <b>{browserName(session.agent)}</b>
                  <span title={`Signed in ${exact(session.begun_at)}`}>{[session.address, `last seen ${ago(session.seen_at)}`].filter(Boolean).join(', ')}</span>
                </span>
                {session.is_this ? <span class="party-fixed">This one</span> : (
                  <Sure ask="Really sign out there" label={`Sign out ${browserName(session.agent)}`} onSure={() => void end(`/api/sessions/${session.id}`, 'Signed out there')}>Sign out</Sure>
                )}
              </li>
            ))}
          </ul>
          <Complaint>{attempt.error?.message ?? null}</Complaint>
          {all.some((session) => !session.is_this) && (
            <div class="dialog-acts"><Sure ask="Really sign out everywhere else" onSure={() => void end('/api/sessions', 'Signed out everywhere else')}>Sign out everywhere else</Sure></div>
          )}
        </>
      )}
    </Listed>
  )
}
