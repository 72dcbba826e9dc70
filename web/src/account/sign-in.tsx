/** Signing in: a page of its own, and a form that fits into a window. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError } from '../api'
import { sweep } from '../editor/offline'
import { Path } from '../ui/path'
import { useAttempt, waiting } from './attempt'
import { Door } from './door'
import { Elsewhere } from './elsewhere'
import { Complaint, Field, PasswordField } from './fields'
import { signIn, type Identity } from './identity'

/** Stands where the page will be that was asked for. */
export function SignIn({ document, onDone }: { document: string | null; onDone: () => void }) {
  useEffect(() => void sweep(), [])
  return (
    <Door title="Sign in" lead={document !== null && <span class="door-to">to open <Path name={document} /></span>}>
      <SignInForm onDone={onDone} />
    </Door>
  )
}

export function SignInForm({ login: known = '', onDone }: { login?: string; onDone: (now: Identity) => void }) {
  const [login, setLogin] = useState(known)
  const [password, setPassword] = useState('')
  const attempt = useAttempt()
  const first = useRef<HTMLInputElement>(null)
  const second = useRef<HTMLInputElement>(null)
  const wrong = attempt.error?.code === 'wrong_password'
  useLayoutEffect(() => (known ? second : first).current?.focus(), [])

  const submit = async (event: Event) => {
    event.preventDefault()
    if (!login.trim() || !password) {
      attempt.refuse(new ApiError('empty', 'Type your login and your password.'))
      return (login.trim() ? second : first).current?.focus()
    }
    let now: Identity | null = null
    if (await attempt.run(async () => void (now = await signIn(login.trim(), password)))) return onDone(now!)
    second.current?.focus()
    second.current?.select()
  }

  return (
    <form class="form" onSubmit={submit}>
      <Elsewhere />
      <Field field={first} label="Login" name="username" value={login} onInput={setLogin} autocomplete="username" wrong={wrong} />
      <PasswordField field={second} label="Password" name="password" value={password} onInput={setPassword} autocomplete="current-password" wrong={wrong} />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <button type="submit" class="button primary" disabled={attempt.busy || attempt.wait > 0}>{waiting(attempt, 'Sign in')}</button>
      <p class="hint">Forgotten? Somebody who looks after the accounts here can send you a link for a new password.</p>
    </form>
  )
}
