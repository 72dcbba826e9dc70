/** Whether one can sign in with an account of another system, too. */
import { send } from '../api'
import { Sure } from '../ui/sure'
import { say } from '../ui/toast'
import { useAttempt, waiting } from './attempt'
import { goThere, here } from './elsewhere'
import { Complaint } from './fields'
import { Listed, useFetched } from './listed'

interface Linked {
  provider: string | null
  identity: { issuer: string; subject: string } | null
  has_password: boolean
}

export function Linked() {
  const linked = useFetched(() => send<Linked>('GET', '/api/identity'))
  const attempt = useAttempt()
  const unlink = () => attempt.run(async () => {
    await send('DELETE', '/api/identity')
    await linked.load()
    say('You sign in here alone from now on')
  })
  return (
    <Listed of={linked}>
      {({ provider, identity, has_password }) => {
        const name = provider ?? 'another system'
        return (
          <div class="window">
            <p class="window-lead">
              {identity ? `You can sign in with ${name}. What it says of your groups counts here from each time to the next.` : `Sign in with ${name} instead of a password. Your account stays what it is.`}
            </p>
            {identity && <p class="hint">You are {identity.subject} at {identity.issuer}</p>}
            {identity && !has_password && <p class="hint">Without a password here you could not sign in any more. Somebody who looks after the accounts can send you a link to choose one.</p>}
            <Complaint>{attempt.error?.message ?? null}</Complaint>
            {identity
              ? <Sure ask="Really sign in here alone" disabled={!has_password || attempt.busy} onSure={() => void unlink()}>Do not sign in with {name}</Sure>
              : <button type="button" class="button primary" disabled={attempt.busy || attempt.wait > 0} onClick={() => void attempt.run(() => goThere('/api/identity', { next: here() }))}>{waiting(attempt, `Sign in with ${name}`)}</button>}
          </div>
        )
      }}
    </Listed>
  )
}
