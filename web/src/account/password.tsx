/** Another password, for who knows the one that counts. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, send } from '../api'
import { say } from '../ui/toast'
import { useAttempt, waiting } from './attempt'
import { Complaint, PASSWORD_HINT, PasswordField, SHORTEST } from './fields'

export function Password({ login, onDone }: { login: string; onDone: () => void }) {
  const [old, setOld] = useState('')
  const [next, setNext] = useState('')
  const attempt = useAttempt()
  const oldField = useRef<HTMLInputElement>(null)
  const newField = useRef<HTMLInputElement>(null)
  const code = attempt.error?.code
  useEffect(() => oldField.current?.focus(), [])
  const submit = async (event: Event) => {
    event.preventDefault()
    if (!old) {
      attempt.refuse(new ApiError('wrong_password', 'Type the password that you have now.'))
      return oldField.current?.focus()
    }
    if ([...next].length < SHORTEST) {
      attempt.refuse(new ApiError('bad_account', `The new password needs at least ${SHORTEST} characters.`))
      return newField.current?.focus()
    }
    if (await attempt.run(() => send<void>('PUT', '/api/password', { old, new: next }))) {
      say('The password is changed')
      onDone()
    }
  }
  return (
    <form class="form" onSubmit={submit}>
      {/* So that whatever keeps passwords knows whose this is. */}
      <input class="visually-hidden" type="text" name="username" autocomplete="username" value={login} readOnly tabIndex={-1} aria-hidden="true" />
      <PasswordField field={oldField} label="Your password now" name="old-password" value={old} onInput={setOld} autocomplete="current-password" wrong={code === 'wrong_password'} />
      <PasswordField
        field={newField} label="New password" name="new-password" value={next} onInput={setNext} autocomplete="new-password" wrong={code === 'bad_account'}
        hint={PASSWORD_HINT}
      />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onDone}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy || attempt.wait > 0}>{waiting(attempt, 'Change it')}</button>
      </div>
    </form>
  )
}
