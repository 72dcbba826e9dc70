/** Whether one can sign in with an account of another system, too. */
import { useRef, useState } from 'preact/hooks'
import { ApiError, send } from '../api'
import { Sure } from '../ui/sure'
import { say } from '../ui/toast'
import { useAttempt, waiting } from './attempt'
import { goThere, here } from './elsewhere'
import { Complaint, PasswordField } from './fields'
import { account } from './identity'
import { Listed, useFetched } from './listed'

interface Linked {
  provider: string | null
  identity: { issuer: string; subject: string } | null
  has_password: boolean
}

const NO_PASSWORD = 'Somebody who looks after the accounts can send you a link to choose one.'

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
            {identity && !has_password && <p class="hint">Without a password here you could not sign in any more. {NO_PASSWORD}</p>}
            {!identity && !has_password && <p class="hint">It takes the password of your account here, and you have none. {NO_PASSWORD}</p>}
            {identity && <Complaint>{attempt.error?.message ?? null}</Complaint>}
            {identity
              ? <Sure ask="Really sign in here alone" disabled={!has_password || attempt.busy} onSure={() => void unlink()}>Do not sign in with {name}</Sure>
              : has_password && <Link name={name} />}
          </div>
        )
      }}
    </Listed>
  )
}

/** It is another key to the account: who sits before a browser that is signed in makes none without the password. */
function Link({ name }: { name: string }) {
  const [password, setPassword] = useState('')
  const attempt = useAttempt()
  const field = useRef<HTMLInputElement>(null)
  const submit = (event: Event) => {
    event.preventDefault()
    if (!password) {
      attempt.refuse(new ApiError('wrong_password', 'Type the password that you have here.'))
      return field.current?.focus()
    }
    void attempt.run(() => goThere('/api/identity', { next: here(), password }))
  }
  return (
    <form class="form" onSubmit={submit}>
      {/* So that whatever keeps passwords knows whose this is. */}
      <input class="visually-hidden" type="text" name="username" autocomplete="username" value={account()?.login} readOnly tabIndex={-1} aria-hidden="true" />
      <PasswordField field={field} label="Your password here" name="password" value={password} onInput={setPassword} autocomplete="current-password" wrong={attempt.error?.code === 'wrong_password'} />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="submit" class="button primary" disabled={attempt.busy || attempt.wait > 0}>{waiting(attempt, `Sign in with ${name}`)}</button>
      </div>
    </form>
  )
}
