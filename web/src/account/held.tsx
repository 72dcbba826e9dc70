/** What somebody has given that lets others in, for who looks after the accounts. */
import { useRef } from 'preact/hooks'
import { announce } from '../announce'
import { Link } from '../ui/icons'
import { Sure } from '../ui/sure'
import { ACCESS_WORDS } from '../sharing/sharing'
import { day, end } from '../when'
import { useAttempt } from './attempt'
import { Complaint } from './fields'
import { Listed, useFetched } from './listed'
import { linksOf, revokeLinkOf, type MadeLink } from './people'
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

export function Held({ login, name }: { login: string; name: string }) {
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
    <section ref={here} class="held" tabIndex={-1} aria-label={`Links of ${name}`}>
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
