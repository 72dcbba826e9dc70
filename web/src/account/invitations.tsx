/** Invitations to an account: made, passed on, taken back. */
import { useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { CopyField } from '../ui/copy-field'
import { takeFocus } from '../ui/focus'
import { Plus } from '../ui/icons'
import { Sure } from '../ui/sure'
import { end, exact } from '../when'
import { useAttempt } from './attempt'
import { listGroups } from './groups'
import { Complaint, Field } from './fields'
import { useFetched } from './listed'
import { invite, openInvitations, takeBack, type OpenInvitation, type Passed } from './people'

const WHAT: Record<OpenInvitation['kind'], string> = { first: 'First account', person: 'Invitation', reset: 'New password' }

export function Invitations() {
  const open = useFetched(openInvitations)
  const [making, setMaking] = useState(false)
  const [made, setMade] = useState<(Passed & { id: number }) | null>(null)
  const begin = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setMaking(false)
    requestAnimationFrame(() => begin.current?.focus())
  }
  const attempt = useAttempt()
  const revoke = (id: number) => attempt.run(async () => {
    await takeBack(id)
    if (made?.id === id) setMade(null)
    await open.load()
    begin.current?.focus()
    announce('The invitation does not count any more')
  })
  const revokeAll = () => attempt.run(async () => {
    setMade(null)
    try {
      for (const { id } of open.now ?? []) await takeBack(id)
    } finally {
      await open.load()
    }
    begin.current?.focus()
    announce('No invitation counts any more')
  })
  return (
    <section class="window-part" aria-label="Invitations">
      {making ? (
        <Invite onStop={stop} onMade={(invitation) => {
          setMade(invitation)
          setMaking(false)
          void open.load()
        }} />
      ) : <div><button ref={begin} type="button" class="button" onClick={() => { setMade(null); setMaking(true) }}><Plus />Invite somebody</button></div>}
      {made && <CopyField label="Send this to whom you invite" value={new URL(made.url, location.origin).href} hint={`It is shown this once, works once, and counts until ${exact(made.expires_at)}.`} />}
      {open.now && open.now.length > 0 && (
        <ul class="parties">
          {open.now.map((one) => (
            <li key={one.id} data-testid="invitation">
              <span class="party">
                <b>{one.name ?? one.login ?? 'Whoever has the link'}</b>
                <span>{[WHAT[one.kind], one.is_admin ? 'as an administrator' : null, one.name !== null ? one.login : null, one.groups.length > 0 ? `in ${one.groups.join(', ')}` : null, `until ${end(one.expires_at)}`].filter(Boolean).join(', ')}</span>
              </span>
              <Sure ask="Really take it back" label={`Take back the invitation of ${one.name ?? one.login ?? 'whoever has the link'}`} onSure={() => void revoke(one.id)}>Take back</Sure>
            </li>
          ))}
        </ul>
      )}
      {open.now && open.now.length > 1 && (
        <div><Sure ask={`Really take all ${open.now.length} back`} disabled={attempt.busy} onSure={() => void revokeAll()}>Take all back</Sure></div>
      )}
      <Complaint>{attempt.error?.message ?? open.error?.message ?? null}</Complaint>
    </section>
  )
}

function Invite({ onStop, onMade }: { onStop: () => void; onMade: (made: Passed & { id: number }) => void }) {
  const [login, setLogin] = useState('')
  const [name, setName] = useState('')
  const [isAdmin, setIsAdmin] = useState(false)
  const groups = useFetched(listGroups)
  const [into, setInto] = useState<number[]>([])
  const attempt = useAttempt()
  const submit = (event: Event) => {
    event.preventDefault()
    const wanted = { ...(login.trim() && { login: login.trim() }), ...(name.trim() && { name: name.trim() }), ...(isAdmin && { is_admin: true }), ...(into.length > 0 && { groups: into }) }
    void attempt.run(async () => onMade(await invite(wanted)))
  }
  return (
    <form class="form link-form" onSubmit={submit}>
      <div class="pair">
        <Field field={takeFocus} label="Login, if you want to choose it" name="invite-login" value={login} onInput={setLogin} autocomplete="off" />
        <Field label="Name, if you want to choose it" name="invite-name" value={name} onInput={setName} autocomplete="off" plain={false} maxLength={40} />
      </div>
      <label class="check"><input type="checkbox" checked={isAdmin} onChange={(event) => setIsAdmin(event.currentTarget.checked)} />They look after the accounts, too</label>
      {groups.now && groups.now.length > 0 && (
        <fieldset class="checks">
          <legend>In which groups they are</legend>
          {groups.now.map(({ id, name }) => (
            <label key={id} class="check">
              <input type="checkbox" checked={into.includes(id)} onChange={(event) => setInto(event.currentTarget.checked ? [...into, id] : into.filter((other) => other !== id))} />{name}
            </label>
          ))}
        </fieldset>
      )}
      <Complaint>{attempt.error?.message ?? groups.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onStop}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy}>Make the invitation</button>
      </div>
    </form>
  )
}
