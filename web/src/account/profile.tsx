/** The name and the colour that others see. */
import { useEffect, useRef, useState } from 'preact/hooks'
import { ApiError, send } from '../api'
import { me, PALETTE } from '../person'
import { Swatches } from '../ui/swatches'
import { say } from '../ui/toast'
import { useAttempt } from './attempt'
import { Complaint, Field } from './fields'
import { recognise, type Account, type Identity } from './identity'

export function Profile({ person, onDone }: { person: Account; onDone: () => void }) {
  const [name, setName] = useState(person.name)
  const [color, setColor] = useState(me.now.color)
  const field = useRef<HTMLInputElement>(null)
  const attempt = useAttempt()
  useEffect(() => field.current?.focus(), [])
  const submit = async (event: Event) => {
    event.preventDefault()
    if (!name.trim()) {
      attempt.refuse(new ApiError('empty', 'Say by which name others shall see you.'))
      return field.current?.focus()
    }
    const wanted = { name: name.trim(), color: PALETTE[color]!.hex }
    if (await attempt.run(async () => void recognise(await send<Identity>('PUT', '/api/profile', wanted)))) {
      say('Kept')
      onDone()
    }
  }
  return (
    <form class="form" onSubmit={submit}>
      <Field field={field} label="Your name" name="name" value={name} onInput={setName} autocomplete="name" maxLength={40} plain={false} />
      <Swatches value={color} onChange={setColor} />
      <p class="hint">Shown to everyone in a document, and beside what you write.</p>
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onDone}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy}>Keep</button>
      </div>
    </form>
  )
}
