/** The fields that forms of accounts are made of. */
import type { ComponentChildren, Ref } from 'preact'
import { useId, useState } from 'preact/hooks'
import { Eye, EyeOff } from '../ui/icons'

/** Characters of a password; the server looks at more. */
export const SHORTEST = 10
export const PASSWORD_HINT = `At least ${SHORTEST} characters, and none that is easily guessed: a few words that do not belong together are good.`

interface FieldProps {
  label: string
  name: string
  value: string
  onInput: (value: string) => void
  autocomplete: string
  /** What is expected, said below the field. */
  hint?: ComponentChildren
  wrong?: boolean
  fixed?: boolean
  field?: Ref<HTMLInputElement>
  maxLength?: number
  plain?: boolean
}

export function Field({ label, hint, wrong, fixed, field, plain = true, onInput, ...input }: FieldProps) {
  const id = useId()
  return (
    <div class="entry">
      <label class="label" for={id}>{label}</label>
      <input
        ref={field} id={id} class="field" readOnly={fixed} autocapitalize={plain ? 'none' : 'words'} spellcheck={false} {...input}
        aria-invalid={wrong || undefined} aria-describedby={hint ? `${id}-hint` : undefined} onInput={(event) => onInput(event.currentTarget.value)}
      />
      {hint && <p id={`${id}-hint`} class="hint">{hint}</p>}
    </div>
  )
}

export function PasswordField({ label, hint, wrong, field, onInput, name, value, autocomplete }: FieldProps) {
  const id = useId()
  const [shown, setShown] = useState(false)
  return (
    <div class="entry">
      <label class="label" for={id}>{label}</label>
      <div class="password">
        <input
          ref={field} id={id} class="field" type={shown ? 'text' : ('password' as 'text')} name={name} value={value} autocomplete={autocomplete}
          autocapitalize="none" spellcheck={false} aria-invalid={wrong || undefined} aria-describedby={hint ? `${id}-hint` : undefined} onInput={(event) => onInput(event.currentTarget.value)}
        />
        <button
          type="button" class="icon-button" aria-label={`Show ${label.toLowerCase()}`} title={shown ? 'Hide' : 'Show'}
          aria-pressed={shown} onClick={() => setShown(!shown)}
        >
          {shown ? <EyeOff /> : <Eye />}
        </button>
      </div>
      {hint && <p id={`${id}-hint`} class="hint">{hint}</p>}
    </div>
  )
}

/** Why it did not work. It is there from the beginning, so that it is read out when it is filled. */
export function Complaint({ children }: { children: string | null }) {
  return <p class="complaint" role="alert">{children}</p>
}
