/** One's own name and colour. */
import { useState } from 'preact/hooks'
import { SignInAgain } from '../account/again'
import { me, rename } from '../person'
import { useValue } from '../value'
import { Avatar } from './avatar'
import { Popover } from './popover'
import { Swatches } from './swatches'

export function Profile({ guest }: { guest: boolean }) {
  const person = useValue(me)
  return (
    <Popover role="dialog" label={`You are ${person.name}. Change name and colour`} buttonTitle={`${person.name} (you)`} buttonClass="avatar-button" button={<Avatar {...person} />} testid="me">
      {(close) => (
        <>
          <ProfileForm onDone={close} />
          {guest && <div class="profile-in"><SignInAgain label="Sign in with an account" onDone={() => location.reload()} /></div>}
        </>
      )}
    </Popover>
  )
}

function ProfileForm({ onDone }: { onDone: () => void }) {
  const person = useValue(me)
  const [name, setName] = useState(person.name)
  return (
    <form
      class="profile"
      onSubmit={(event) => {
        event.preventDefault()
        onDone()
      }}
    >
      <label class="label">
        Your name
        <input
          class="field" value={name} maxLength={40} autocomplete="off" spellcheck={false}
          onInput={(event) => {
            setName(event.currentTarget.value)
            if (event.currentTarget.value.trim()) rename({ ...me.now, name: event.currentTarget.value })
          }}
          onBlur={() => setName(me.now.name)}
        />
      </label>
      <Swatches value={person.color} onChange={(color) => rename({ ...me.now, color })} />
      <p class="hint">Shown to everyone in a document, and kept in this browser.</p>
    </form>
  )
}
