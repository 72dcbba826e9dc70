/** Signing in where one is: the page stays, with all that was typed. */
import type { ComponentType } from 'preact'
import { useState } from 'preact/hooks'
import { say } from '../ui/toast'
import { Dialog } from '../ui/dialog'
import { account, type Identity } from './identity'

type Form = ComponentType<{ login?: string; onDone: (now: Identity) => void }>

export function SignInAgain({ onDone, primary, label = 'Sign in' }: { onDone: () => void; primary?: boolean; label?: string }) {
  const [Form, setForm] = useState<Form | null>(null)
  const [login] = useState(() => account()?.login)
  const open = () => import('./sign-in').then((m) => setForm(() => m.SignInForm), () => say('The server cannot be reached.'))
  const done = (now: Identity) => {
    setForm(null)
    // What one person has typed is not sent in the name of another.
    if (login !== undefined && account(now)?.login !== login) location.reload()
    else onDone()
  }
  return (
    <>
      <button type="button" class={primary ? 'button primary' : 'button'} onClick={() => void open()}>{label}</button>
      {Form && <Dialog title="Sign in" onClose={() => setForm(null)}><Form login={login} onDone={done} /></Dialog>}
    </>
  )
}
