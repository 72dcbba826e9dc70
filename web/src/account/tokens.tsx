/** Tokens with which programs act in one's name. */
import { useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { ApiError, send, type Access } from '../api'
import { CopyField } from '../ui/copy-field'
import { takeFocus } from '../ui/focus'
import { KeyIcon, Plus } from '../ui/icons'
import { Select } from '../ui/select'
import { Sure } from '../ui/sure'
import { useAttempt } from './attempt'
import { Complaint, Field } from './fields'
import { Listed, useFetched } from './listed'
import { MAY, tokenWords, type Token } from './token'

type Reach = 'all' | 'folder' | 'document'
type Days = '' | '30' | '90' | '365'

const REACHES: [Reach, string][] = [['all', 'All that you have'], ['folder', 'One folder'], ['document', 'One document']]
const LASTING: [Days, string][] = [['30', '30 days'], ['90', '90 days'], ['365', 'One year'], ['', 'Until it is taken back']]

export function Tokens() {
  const tokens = useFetched(async () => (await send<{ tokens: Token[] }>('GET', '/api/tokens')).tokens)
  const [making, setMaking] = useState(false)
  const [made, setMade] = useState<{ id: number; token: string } | null>(null)
  const begin = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setMaking(false)
    requestAnimationFrame(() => begin.current?.focus())
  }
  const attempt = useAttempt()
  const revoke = (id: number) => attempt.run(async () => {
    await send('DELETE', `/api/tokens/${id}`)
    if (made?.id === id) setMade(null)
    await tokens.load()
    begin.current?.focus()
    announce('The token opens nothing any more')
  })
  return (
    <Listed of={tokens}>
      {(all) => (
        <div class="window">
          <p class="window-lead">A program that has one acts in your name: a script, an editor, a folder that is kept in step.</p>
          {making ? (
            <MakeToken onStop={stop} onMade={(token) => {
              setMade(token)
              setMaking(false)
              void tokens.load()
            }} />
          ) : <button ref={begin} type="button" class="button" onClick={() => { setMade(null); setMaking(true) }}><Plus />Make a token</button>}
          {made && <CopyField label="Your new token" value={made.token} hint="Copy it now: it is shown this once." />}
          {all.length > 0 && (
            <ul class="parties">
              {all.map((token) => (
                <li key={token.id} data-testid="token">
                  <span class="party-icon"><KeyIcon /></span>
                  <span class="party"><b>{token.name}</b><span>{tokenWords(token).filter(Boolean).join(', ')}</span></span>
                  <Sure ask="Really take it back" label={`Take back ${token.name}`} onSure={() => void revoke(token.id)}>Take back</Sure>
                </li>
              ))}
            </ul>
          )}
          <Complaint>{attempt.error?.message ?? null}</Complaint>
        </div>
      )}
    </Listed>
  )
}

function MakeToken({ onStop, onMade }: { onStop: () => void; onMade: (token: { id: number; token: string }) => void }) {
  const [name, setName] = useState('')
  const [access, setAccess] = useState<Access>('edit')
  const [reach, setReach] = useState<Reach>('all')
  const [place, setPlace] = useState('')
  const [days, setDays] = useState<Days>('90')
  const attempt = useAttempt()
  const submit = (event: Event) => {
    event.preventDefault()
    const where = place.trim().replace(/\/+\*?$/, '')
    if (!name.trim()) return attempt.refuse(new ApiError('empty', 'Say what it is for.'))
    if (reach !== 'all' && !where) return attempt.refuse(new ApiError('empty', `Name the ${reach}.`))
    const target = reach === 'all' ? '*' : reach === 'folder' ? `${where}/*` : where
    void attempt.run(async () => onMade(await send('POST', '/api/tokens', { name: name.trim(), access, for: target, ...(days && { days: Number(days) }) })))
  }
  return (
    <form class="form link-form" onSubmit={submit}>
      <Field field={takeFocus} label="What it is for" name="token-name" value={name} onInput={setName} autocomplete="off" plain={false} maxLength={64} />
      <div class="pair">
        <Select label="It may" options={MAY} value={access} onChange={setAccess} />
        <Select label="It counts for" options={LASTING} value={days} onChange={setDays} />
      </div>
      <div class="pair">
        <Select label="It reaches" options={REACHES} value={reach} onChange={setReach} />
        {reach !== 'all' && <Field label={reach === 'folder' ? 'Name of the folder' : 'Name of the document'} name="token-place" value={place} onInput={setPlace} autocomplete="off" />}
      </div>
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onStop}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy}>Make the token</button>
      </div>
    </form>
  )
}
