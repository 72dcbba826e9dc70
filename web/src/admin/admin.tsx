/** The page of who looks after a server. */
import './admin.css'
import '../account/account.css'
import type { ComponentChildren } from 'preact'
import { useEffect, useState } from 'preact/hooks'
import { Everybody } from '../account/everybody'
import { Groups } from '../account/groups-part'
import { Frame } from '../ui/frame'
import { Connections } from './connections'
import { Log } from './log'
import { Overview } from './overview'

const PARTS = { overview: 'Overview', connections: 'Connections', people: 'People', groups: 'Groups', log: 'Log' }
type Part = keyof typeof PARTS

function asked(): Part {
  const part = location.hash.slice(1)
  return part in PARTS ? (part as Part) : 'overview'
}

export function Admin({ login }: { login: string }) {
  const [part, setPart] = useState(asked)
  useEffect(() => {
    const turn = () => setPart(asked())
    window.addEventListener('hashchange', turn)
    return () => window.removeEventListener('hashchange', turn)
  }, [])
  useEffect(() => {
    document.title = `${part === 'overview' ? 'Server' : PARTS[part]} · Ropewalk`
    // On a narrow screen the last ones are beyond the edge.
    document.querySelector('.tab[aria-current]')?.scrollIntoView({ block: 'nearest', inline: 'nearest' })
  }, [part])
  const shown: Record<Part, () => ComponentChildren> = {
    overview: () => <Overview />,
    connections: () => <Connections />,
    people: () => <Everybody me={login} />,
    groups: () => <Groups />,
    log: () => <Log />,
  }
  return (
    <Frame>
      <div class="frame-head"><h1>Server</h1></div>
      <nav class="tabs" aria-label="Parts of this page">
        {(Object.keys(PARTS) as Part[]).map((one) => <a key={one} class="tab" href={`#${one}`} aria-current={one === part ? 'page' : undefined}>{PARTS[one]}</a>)}
      </nav>
      {shown[part]()}
    </Frame>
  )
}
