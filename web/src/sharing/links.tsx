/** The links by which a document or a folder is shared with whoever has one. */
import { useRef, useState } from 'preact/hooks'
import { useAttempt } from '../account/attempt'
import { Complaint, PasswordField } from '../account/fields'
import { announce } from '../announce'
import type { Access } from '../api'
import { CopyField } from '../ui/copy-field'
import { takeFocus } from '../ui/focus'
import { Link as LinkIcon, Plus } from '../ui/icons'
import { Select } from '../ui/select'
import { Sure } from '../ui/sure'
import { day, end } from '../when'
import { ACCESS_WORDS, fromFolder, makeLink, revokeLink, wordOf, type InheritedLink, type Shared, type ShareLink } from './sharing'

type Days = '' | '1' | '7' | '30' | '365'

const LEVELS: [Access, string][] = [['read', ACCESS_WORDS.read], ['edit', ACCESS_WORDS.edit]]
const LASTING: [Days, string][] = [['1', 'One day'], ['7', 'One week'], ['30', '30 days'], ['365', 'One year'], ['', 'Until it is taken back']]

interface LinksProps {
  of: Shared
  links: ShareLink[]
  /** Links to folders that this is in. */
  inherited: InheritedLink[]
  onChange: () => Promise<unknown>
}

export function Links({ of, links, inherited, onChange }: LinksProps) {
  const attempt = useAttempt()
  const [making, setMaking] = useState(false)
  const [made, setMade] = useState<{ id: number | string; url: string } | null>(null)
  const begin = useRef<HTMLButtonElement>(null)
  const stop = () => {
    setMaking(false)
    requestAnimationFrame(() => begin.current?.focus())
  }
  const revoke = (at: Shared, id: number | string) => attempt.run(async () => {
    await revokeLink(at, id)
    if (made?.id === id) setMade(null)
    await onChange()
    begin.current?.focus()
    announce('The link leads nowhere any more')
  })
  return (
    <section class="links" aria-label="Links">
      <div class="links-head">
        <h3 class="label">Links</h3>
        {!making && <button ref={begin} type="button" class="button" onClick={() => { setMade(null); setMaking(true) }}><Plus />Make a link</button>}
      </div>
      {making && (
        <MakeLink of={of} onStop={stop} onMade={(link) => {
          setMade(link)
          setMaking(false)
          void onChange()
        }} />
      )}
      {made && <CopyField label="Your new link" value={new URL(made.url, location.origin).href} hint="Copy it now: it is shown this once. Whoever has it may use it." />}
      {links.length > 0 ? (
        <ul class="parties">
          {links.map((link) => (
            <li key={link.id}>
              <span class="party-icon"><LinkIcon /></span>
              <span class="party">
                <b>{ACCESS_WORDS[link.access]}</b>
                <span>{about(link)}</span>
                {!link.is_backed && <Off link={link} of={of} />}
              </span>
              <Sure ask="Really take it back" label={`Take back the link made ${day(link.made_at)}`} disabled={attempt.busy} onSure={() => void revoke(of, link.id)}>Take back</Sure>
            </li>
          ))}
        </ul>
      ) : !making && !made && <p class="hint">Whoever has a link may open {'document' in of ? 'the document' : of.folder === '' ? 'all documents' : 'all that is in the folder'} with it, also without an account.</p>}
      {inherited.length > 0 && (
        <ul class="parties" aria-label="Links to folders that it is in">
          {inherited.map((link) => (
            <li key={link.id} class="party-inherited" data-testid="inherited-link">
              <span class="party-icon"><LinkIcon /></span>
              <span class="party">
                <b>{ACCESS_WORDS[link.access]}</b>
                <span>{fromFolder(link)}. {about(link)}</span>
                {!link.is_backed && <Off link={link} of={{ folder: link.folder }} />}
              </span>
              {link.may_revoke && <Sure ask={`Really take it back, for all of ${link.folder || 'the documents'}`} label={`Take back the link made ${day(link.made_at)}`} disabled={attempt.busy} onSure={() => void revoke({ folder: link.folder }, link.id)}>Take back</Sure>}
            </li>
          ))}
        </ul>
      )}
      <Complaint>{attempt.error?.message ?? null}</Complaint>
    </section>
  )
}

function Off({ link, of }: { link: ShareLink; of: Shared }) {
  return <span class="link-off">It leads nowhere as long as {link.made_by?.name ?? 'who made it'} may not share this {wordOf(of)}</span>
}

function about(link: ShareLink): string {
  return [
    `Made ${day(link.made_at)}${link.made_by ? ` by ${link.made_by.name}` : ''}`,
    link.expires_at === null ? null : `until ${end(link.expires_at)}`,
    link.has_password ? 'with a password' : null,
  ].filter(Boolean).join(', ')
}

function MakeLink({ of, onStop, onMade }: { of: Shared; onStop: () => void; onMade: (link: { id: number | string; url: string }) => void }) {
  const [access, setAccess] = useState<Access>('read')
  const [days, setDays] = useState<Days>('30')
  const [password, setPassword] = useState('')
  const attempt = useAttempt()
  const submit = (event: Event) => {
    event.preventDefault()
    void attempt.run(async () => onMade(await makeLink(of, { access, ...(days && { days: Number(days) }), ...(password && { password }) })))
  }
  return (
    <form class="form link-form" onSubmit={submit}>
      <div class="pair">
        <Select label="Whoever has it" options={LEVELS} value={access} onChange={setAccess} />
        <Select label="It counts for" options={LASTING} value={days} onChange={setDays} />
      </div>
      <PasswordField field={takeFocus} label="Password, if you want one" name="link-password" value={password} onInput={setPassword} autocomplete="off" hint="At least 8 characters. Send it on another way than the link." />
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      <div class="dialog-acts">
        <button type="button" class="button plain" onClick={onStop}>Cancel</button>
        <button type="submit" class="button primary" disabled={attempt.busy}>Make the link</button>
      </div>
    </form>
  )
}
