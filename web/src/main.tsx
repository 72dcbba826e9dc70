import './tokens.css'
import './base.css'
import './ui/ui.css'
import { render, type ComponentChild } from 'preact'
import { account, learn, type Identity } from './account/identity'
import { explained, outcome, takeOutcome } from './account/outcome'
import { placeAt } from './home/place'
import { NotFound } from './not-found'
import { nameFromPath, nameProblem } from './name'
import { applyTheme } from './theme'
import { say } from './ui/toast'

applyTheme()
takeOutcome()

const root = document.getElementById('app')!

/** What stands behind the `#`: kept in memory only, so that it is in no history and on no screen. */
function takeSecret(): string {
  const secret = location.hash.slice(1)
  history.replaceState(null, '', location.pathname)
  return secret
}

/** A page with a secret of its own; another one pasted into the address line is followed, too. */
function secretPage(draw: (secret: string, turn: number) => void): void {
  let turn = 0
  draw(takeSecret(), turn)
  window.addEventListener('hashchange', () => {
    if (location.hash) draw(takeSecret(), ++turn)
  })
}

async function home(): Promise<ComponentChild> {
  const { Home } = await import('./home/home')
  return <Home />
}

async function editor(name: string): Promise<ComponentChild> {
  const { Editor } = await import('./editor/page')
  return <Editor name={name} />
}

async function admin(isOpen: boolean): Promise<ComponentChild> {
  const person = account()
  if (isOpen) return <NotFound title="There is no administrator" why="This server has no accounts. The first one is made with “ropewalk user add” and “--admin”, and sees here how the server does." />
  if (!person?.is_admin) return <NotFound title="This is for administrators" why="Whoever looks after this server can see how it does here." />
  const { Admin } = await import('./admin/admin')
  return <Admin login={person.login} />
}

async function show(): Promise<void> {
  const { pathname } = location
  if (pathname === '/join') {
    const join = import('./account/join')
    return secretPage((secret, turn) => void join.then(({ Join }) => render(<Join key={turn} secret={secret} />, root)))
  }
  if (pathname === '/s') {
    const follow = import('./account/follow')
    return secretPage((secret, turn) => void follow.then(({ Follow }) => render(<Follow key={turn} secret={secret} />, root)))
  }
  const apart = pathname === '/admin'
  const isHome = placeAt(location) !== null
  if (!apart && !isHome && !pathname.startsWith('/edit/')) return render(<NotFound title="Nothing is here" why="This address leads to no document." />, root)
  const name = apart || isHome ? null : nameFromPath(pathname)
  const problem = apart || isHome ? null : name === null ? 'The address is not readable text.' : nameProblem(name)
  if (problem) return render(<NotFound title="That cannot be a document" why={problem} />, root)

  // Fetched side by side; a server that cannot say who somebody is says more when the document is asked for.
  const page = apart ? null : name === null ? home() : editor(name)
  const known = await learn().catch(() => null)
  const { state, provider }: Identity = known ?? { state: 'open' }
  if (state === 'setup') {
    const { Setup } = await import('./account/setup')
    return render(<Setup />, root)
  }
  if (state === 'signed_out') {
    const { SignIn } = await import('./account/sign-in')
    return render(<SignIn document={name} onDone={() => location.reload()} />, root)
  }
  render(await (page ?? admin(known?.state === 'open')), root)
  if (outcome.now !== null && provider) say(explained(outcome.now, provider))
}

void show()
