/** What somebody has here, for who looks after the accounts: the links that they have made, and what belongs to them. */
import { useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { Link } from '../ui/icons'
import { Sure } from '../ui/sure'
import { ACCESS_WORDS } from '../sharing/sharing'
import { count, day, end } from '../when'
import { useAttempt } from './attempt'
import { Complaint } from './fields'
import { Listed, useFetched } from './listed'
import { Unclear, type Party } from './meant'
import { documentsOf, handAllOver, linksOf, revokeLinkOf, type MadeLink } from './people'
import { Candidates, personMeant, PickField } from './pick'
import { reachOf } from './reach'

/** As many pages as there are. */
async function allLinks(login: string): Promise<MadeLink[]> {
  const all: MadeLink[] = []
  for (let before: number | undefined; ;) {
    const { links, next } = await linksOf(login, before)
    all.push(...links)
    if (next === null) return all
    before = next
  }
}

interface HeldProps {
  login: string
  name: string
}

export function Held({ login, name }: HeldProps) {
  return (
    <div class="held">
      <Documents login={login} name={name} />
      <Links login={login} name={name} />
    </div>
  )
}

function Links({ login, name }: HeldProps) {
  const links = useFetched(() => allLinks(login))
  const attempt = useAttempt()
  const here = useRef<HTMLElement>(null)
  const revoke = (link: MadeLink) => attempt.run(async () => {
    await revokeLinkOf(login, link.id)
    await links.load()
    here.current?.focus()
    announce('The link leads nowhere any more')
  })
  return (
    <section ref={here} class="held-part" tabIndex={-1} aria-label={`Links of ${name}`}>
      <Listed of={links}>
        {(all) => (all.length === 0 ? <p class="hint">{name} has made no links.</p> : (
          <ul class="parties">
            {all.map((link) => (
              <li key={link.id} data-testid="made-link">
                <span class="party-icon"><Link /></span>
                <span class="party">
                  <b>{reachOf(link.for)}</b>
                  <span>{[ACCESS_WORDS[link.access], `made ${day(link.made_at)}`, link.expires_at === null ? null : `until ${end(link.expires_at)}`, link.has_password ? 'with a password' : null].filter(Boolean).join(', ')}</span>
                </span>
                <Sure ask="Really take it back" label={`Take back the link to ${reachOf(link.for)}`} disabled={attempt.busy} onSure={() => void revoke(link)}>Take back</Sure>
              </li>
            ))}
          </ul>
        ))}
      </Listed>
      <Complaint>{attempt.error?.message ?? null}</Complaint>
    </section>
  )
}

function Documents({ login, name }: HeldProps) {
  const owned = useFetched(() => documentsOf(login))
  const [typed, setTyped] = useState('')
  const [to, setTo] = useState<string | null>(null)
  const [said, setSaid] = useState<string | null>(null)
  const attempt = useAttempt()
  const choose = (party: Party) => {
    if (!('person' in party)) return
    setTyped(party.person.login)
    setTo(party.person.login)
    attempt.refuse(null)
  }
  const find = (event: Event) => {
    event.preventDefault()
    if (typed.trim()) void attempt.run(async () => choose({ person: await personMeant(typed.trim()) }))
  }
  const hand = (to: string) => attempt.run(async () => {
    setSaid(null)
    try {
      const { handed, failed } = await handAllOver(login, to)
      const words = `${count(handed, 'document')} handed over to ${to}${failed > 0 ? `, ${failed} could not be` : ''}.`
      setSaid(words)
      announce(words)
      setTyped('')
      setTo(null)
    } finally {
      await owned.load()
    }
  })
  return (
    <section class="held-part" aria-label={`Documents of ${name}`}>
      <Listed of={owned}>
        {({ documents, next }) => {
          const trashed = documents.filter((document) => document.is_trashed).length
          if (documents.length === 0) return <p class="hint">Nothing belongs to {name}.</p>
          return (
            <form class="group" onSubmit={find}>
              <p>{next === null ? count(documents.length, 'document') : `More than ${count(documents.length, 'document')}`} of {name}{trashed > 0 ? `, ${trashed} in the trash` : ''}: {documents.slice(0, 3).map((document) => document.name).join(', ')}{documents.length > 3 ? ', …' : ''}</p>
              <div class="group-add">
                <PickField label={`Whose all that is ${name}’s is to be`} value={typed} onInput={(now) => { setTyped(now); setTo(null); attempt.refuse(null) }} />
                {to === null
                  ? <button type="submit" class="button" disabled={attempt.busy}>Hand over</button>
                  : <Sure ask={`Really all to ${to}`} disabled={attempt.busy} onSure={() => void hand(to)}>Hand over to {to}</Sure>}
              </div>
            </form>
          )
        }}
      </Listed>
      {said && <p class="hint">{said}</p>}
      <Complaint>{attempt.error?.message ?? null}</Complaint>
      {attempt.error instanceof Unclear && <Candidates of={attempt.error} busy={attempt.busy} onChoose={choose} />}
    </section>
  )
}
