/** Follows a link to something that is shared by it. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, send } from '../api'
import { folderPath } from '../home/place'
import { editPath } from '../name'
import { useAttempt, waiting } from './attempt'
import { Door } from './door'
import { Complaint, PasswordField } from './fields'

interface Followed {
  document: string | null
  folder: string | null
}

export function Follow({ secret }: { secret: string }) {
  const [password, setPassword] = useState('')
  const [asked, setAsked] = useState(false)
  const field = useRef<HTMLInputElement>(null)
  const attempt = useAttempt()
  const { error } = attempt

  const follow = () => attempt.run(async () => {
    try {
      const { document, folder } = await send<Followed>('POST', '/api/follow', password ? { link: secret, password } : { link: secret })
      location.replace(document === null ? folderPath(folder ?? '') : editPath(document))
    } catch (cause) {
      if (!(cause instanceof ApiError && cause.code === 'link_password')) throw cause
      setAsked(true)
      // That one is needed is no failure; the form says it.
      if (password) throw new ApiError('link_password', 'That is not the password of this link.')
    }
  })
  useEffect(() => {
    if (secret) void follow()
    else attempt.refuse(new ApiError('no_link', ''))
  }, [])
  useEffect(() => {
    if (!asked || attempt.busy) return
    field.current?.focus()
    field.current?.select()
  }, [asked, attempt.busy])

  if (error?.code === 'no_link') {
    return (
      <Door
        title={secret ? 'This link leads nowhere any more' : 'Open your link once more'}
        lead={secret ? 'The link was taken back, or its time is over. Ask whoever sent it for another one.' : 'This page needs the whole link that you were sent. It is not kept here, so that nobody else finds it.'}
      >
        <a class="button" href="/">All documents</a>
      </Door>
    )
  }
  if (asked) {
    const submit = (event: Event) => {
      event.preventDefault()
      if (password) void follow()
      else field.current?.focus()
    }
    return (
      <Door title="This link has a password" lead="Whoever sent you the link can tell you.">
        <form class="form" onSubmit={submit}>
          <PasswordField field={field} label="Password of the link" name="link-password" value={password} onInput={setPassword} autocomplete="off" wrong={error?.code === 'link_password'} />
          <Complaint>{error?.message ?? null}</Complaint>
          <button type="submit" class="button primary" disabled={attempt.busy || attempt.wait > 0}>{waiting(attempt, 'Open')}</button>
        </form>
      </Door>
    )
  }
  if (error) {
    return (
      <Door title="The link could not be followed" lead={error.message}>
        <button type="button" class="button" disabled={attempt.busy || attempt.wait > 0} onClick={() => void follow()}>{waiting(attempt, 'Try again')}</button>
      </Door>
    )
  }
  return <main class="door" aria-busy="true" />
}
