/** What somebody has here, for who looks after the accounts: what belongs to them, the links that they have made, their API tokens, and where they are signed in. */
import type { ComponentChildren } from 'preact'
import { useRef, useState } from 'preact/hooks'
import { announce } from '../announce'
import { KeyIcon, Link, System } from '../ui/icons'
import { Sure } from '../ui/sure'
import { ACCESS_WORDS } from '../sharing/sharing'
import { ago, count, day, end } from '../when'
import { useAttempt } from './attempt'
import { browserName } from './browser'
import { Complaint } from './fields'
import { Listed, useFetched } from './listed'
import { Unclear, type Party } from './meant'
import { documentsOf, endSessionOf, handAllOver, linksOf, revokeLinkOf, revokeTokenOf, sessionsOf, tokensOf, type MadeLink } from './people'
import { Candidates, personMeant, PickField } from './pick'
import { reachOf } from './reach'
import { tokenWords } from './token'

interface HeldProps {
  login: string
  name: string
}

export function Held({ login, name }: HeldProps) {
  return (
    <div class="held">
      <Documents login={login} name={name} />
      <Kept
        title="Links they made" none={`${name} has made no links.`} list={() => allLinks(login)} icon={<Link />} testid="made-link"
        what={(link) => [reachOf(link.for), [ACCESS_WORDS[link.access], `made ${day(link.made_at)}`, until(link.expires_at), link.has_password ? 'with a password' : null]]}
        act={['Take back', 'Really take it back']} onAct={(link) => revokeLinkOf(login, link.id)} said="The link leads nowhere any more"
      />
      <Kept
        title="API tokens" none={`${name} has no API tokens.`} list={() => tokensOf(login)} icon={<KeyIcon />} testid="their-token"
        what={(token) => [token.name, tokenWords(token, 'they')]}
        act={['Take back', 'Really take it back']} onAct={(token) => revokeTokenOf(login, token.id)} said="The token opens nothing any more"
      />
      <Kept
        title="Where they are signed in" none={`${name} is signed in nowhere.`} list={() => sessionsOf(login)} icon={<System />} testid="their-session"
        what={(session) => [browserName(session.agent), [session.address, `last seen ${ago(session.seen_at)}`]]}
        act={['Sign out', 'Really sign out there']} onAct={(session) => endSessionOf(login, session.id)} said="Signed out there"
      />
    </div>
  )
}

const until = (expires: number | null) => (expires === null ? null : `until ${end(expires)}`)

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

interface KeptProps<T> {
  title: string
  none: string
  icon: ComponentChildren
  testid: string
  list: () => Promise<T[]>
  /** How one is called, and what else there is to say. */
  what: (one: T) => [name: string, about: (string | null)[]]
  act: [words: string, ask: string]
  onAct: (one: T) => Promise<unknown>
  said: string
}

/** What lets them in, or others, one by one. */
function Kept<T extends { id: number }>({ title, none, icon, testid, list, what, act: [words, ask], onAct, said }: KeptProps<T>) {
  const kept = useFetched(list)
  const attempt = useAttempt()
  const here = useRef<HTMLElement>(null)
  const end = (one: T) => attempt.run(async () => {
    await onAct(one)
    await kept.load()
    here.current?.focus()
    announce(said)
  })
  return (
    <section ref={here} class="held-part" tabIndex={-1} aria-label={title}>
      <Listed of={kept}>
        {(all) => (all.length === 0 ? <p class="hint">{none}</p> : (
          <>
            <h4 class="label">{title}</h4>
            <ul class="parties">
              {all.map((one) => {
                const [called, about] = what(one)
                return (
                  <li key={one.id} data-testid={testid}>
                    <span class="party-icon">{icon}</span>
                    <span class="party"><b>{called}</b><span>{about.filter(Boolean).join(', ')}</span></span>
                    <Sure ask={ask} label={`${words}: ${called}`} disabled={attempt.busy} onSure={() => void end(one)}>{words}</Sure>
                  </li>
                )
              })}
            </ul>
          </>
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
