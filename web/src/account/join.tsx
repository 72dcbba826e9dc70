/** Follows an invitation: to the first account of a server, to an account, to a new password. */
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks'
import { ApiError, asApiError, send } from '../api'
import { exact } from '../when'
import { useAttempt, waiting } from './attempt'
import { Door } from './door'
import { Elsewhere } from './elsewhere'
import { Complaint, Field, PASSWORD_HINT, PasswordField, SHORTEST } from './fields'
import { learn, recognise, type Identity } from './identity'

interface Invitation {
  kind: 'first' | 'person' | 'reset'
  login: string | null
  name: string | null
  expires_at: number
}

const SAID = {
  first: { title: 'Make the first account', lead: 'You become the administrator of this server and can invite everybody else.', act: 'Make the account' },
  person: { title: 'Welcome', lead: 'You are invited to write here. Choose what you want to sign in with.', act: 'Make the account' },
  reset: { title: 'Choose a new password', lead: 'You are signed out everywhere else once you have chosen it.', act: 'Change the password' },
}

export function Join({ secret }: { secret: string }) {
  const [invitation, setInvitation] = useState<Invitation | null>(null)
  const [error, setError] = useState<ApiError | null>(null)
  const look = () => {
    setError(null)
    // It says, too, how else one can sign in.
    void learn().catch(() => {})
    send<Invitation>('POST', '/api/invitation', { secret }).then(setInvitation, (cause) => setError(asApiError(cause)))
  }
  useEffect(() => {
    if (secret) look()
    else setError(new ApiError('no_invitation', ''))
  }, [])
  if (error?.code === 'no_invitation') return <Gone whole={secret !== ''} />
  if (error) {
    return (
      <Door title="The invitation could not be looked at" lead={error.message}>
        <button type="button" class="button" onClick={look}>Try again</button>
      </Door>
    )
  }
  if (!invitation) return <main class="door" aria-busy="true" />
  return <JoinForm secret={secret} invitation={invitation} />
}

function Gone({ whole }: { whole: boolean }) {
  return (
    <Door
      title={whole ? 'This invitation does not count any more' : 'Open your invitation once more'}
      lead={whole ? 'Each works once and only for some days. Ask whoever sent it for another one.' : 'This page needs the whole link that you were sent. It is not kept here, so that nobody else finds it.'}
    >
      <a class="button" href="/">{whole ? 'Sign in instead' : 'All documents'}</a>
    </Door>
  )
}

/** Which field a sentence is about. */
function fieldOf(sentence: string): 'login' | 'name' | 'password' {
  return /password/i.test(sentence) ? 'password' : /login/i.test(sentence) ? 'login' : 'name'
}

function JoinForm({ secret, invitation }: { secret: string; invitation: Invitation }) {
  const { kind } = invitation
  const said = SAID[kind]
  const [login, setLogin] = useState(invitation.login ?? '')
  const [name, setName] = useState(invitation.name ?? '')
  const [password, setPassword] = useState('')
  const attempt = useAttempt()
  const loginField = useRef<HTMLInputElement>(null)
  const nameField = useRef<HTMLInputElement>(null)
  const passwordField = useRef<HTMLInputElement>(null)
  const about = attempt.error?.code === 'bad_account' ? fieldOf(attempt.error.message) : null
  useLayoutEffect(() => {
    const first = invitation.login === null ? loginField : kind === 'reset' || name ? passwordField : nameField
    first.current?.focus()
  }, [])
  useEffect(() => {
    if (about) ({ login: loginField, name: nameField, password: passwordField })[about].current?.focus()
  }, [attempt.error])

  const missing = (): string | null => {
    if (!login.trim()) return 'Choose a login.'
    if (kind !== 'reset' && !name.trim()) return 'Say by which name others shall see you.'
    if ([...password].length < SHORTEST) return `The password needs at least ${SHORTEST} characters.`
    return null
  }
  const submit = async (event: Event) => {
    event.preventDefault()
    const lacks = missing()
    if (lacks) return attempt.refuse(new ApiError('bad_account', lacks))
    const wanted = { secret, password, ...(invitation.login === null && { login: login.trim() }), ...(kind !== 'reset' && { name: name.trim() }) }
    const done = await attempt.run(async () => void recognise(await send<Identity>('POST', '/api/join', wanted)))
    if (done) location.replace('/')
  }

  return (
    <Door title={said.title} lead={said.lead}>
      <form class="form" onSubmit={submit}>
        {kind !== 'reset' && <Elsewhere invitation={secret} done={false} />}
        <Field
          field={loginField} label="Login" name="username" value={login} onInput={setLogin} autocomplete="username" fixed={invitation.login !== null} wrong={about === 'login'}
          hint={invitation.login === null && 'What you sign in with, such as your address or a short name. It stays as it is.'}
        />
        {kind !== 'reset' && (
          <Field field={nameField} label="Your name" name="name" value={name} onInput={setName} autocomplete="name" maxLength={40} plain={false} wrong={about === 'name'} hint="Others see it beside what you write. You can change it later." />
        )}
        <PasswordField
          field={passwordField} label="Password" name="new-password" value={password} onInput={setPassword} autocomplete="new-password" wrong={about === 'password'}
          hint={PASSWORD_HINT}
        />
        <Complaint>{attempt.error?.message ?? null}</Complaint>
        <button type="submit" class="button primary" disabled={attempt.busy || attempt.wait > 0}>{waiting(attempt, said.act)}</button>
        <p class="hint">This invitation counts until {exact(invitation.expires_at)}.</p>
      </form>
    </Door>
  )
}
