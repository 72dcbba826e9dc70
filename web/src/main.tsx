import './tokens.css'
import './base.css'
import './ui/ui.css'
import { render, type ComponentChild, type ComponentType } from 'preact'
import { account, learn, type Identity } from './account/identity'
import { explained, outcome, takeOutcome } from './account/outcome'
import { placeAt } from './home/place'
import { NoAnswer, NotFound, NotLoaded } from './not-found'
import { nameFromPath, nameProblem } from './name'
import { applyTheme } from './theme'
import { say } from './ui/toast'

applyTheme()
takeOutcome()

const root = document.getElementById('app')!

/** What stood behind the `#` of a page with a secret: kept in memory only, so that it is in no history and on no screen. */
let secret = ''

function takeSecret(): void {
  secret = location.hash.slice(1)
  history.replaceState(null, '', location.pathname)
}

/** Says that a part of the page did not come. It is loaded anew with the address it had. */
function fail(cause: unknown): never {
  const before = () => secret && history.replaceState(null, '', `${location.pathname}#${secret}`)
  render(<NotLoaded before={before} />, root)
  throw cause
}

/** A page with a secret of its own; another one pasted into the address line is followed, too. */
async function secretPage(page: Promise<ComponentType<{ secret: string }>>): Promise<void> {
  let turn = 0
  const draw = async () => {
    takeSecret()
    const Page = await page
    render(<Page key={turn++} secret={secret} />, root)
  }
  window.addEventListener('hashchange', () => {
    if (location.hash) draw().catch(fail)
  })
  await draw()
}

async function home(): Promise<ComponentChild> {
  const { Home } = await import('./home/home')
  return <Home />
}

async function editor(name: string): Promise<ComponentChild> {
  const { Editor } = await import('./editor/page')
  return <Editor name={name} />
}

async function admin(known: Identity | null): Promise<ComponentChild> {
  const person = account()
  if (known === null) return <NoAnswer />
  if (known.state === 'open') return <NotFound title="There is no administrator" why="This server has no accounts. The first one is made with “ropewalk user add” and “--admin”, and sees here how the server does." />
  if (!person?.is_admin) return <NotFound title="This is for administrators" why="Whoever looks after this server can see how it does here." />
  const { Admin } = await import('./admin/admin')
  return <Admin login={person.login} />
}

async function show(): Promise<void> {
  const { pathname } = location
  if (pathname === '/join') return secretPage(import('./account/join').then(({ Join }) => Join))
  if (pathname === '/s') return secretPage(import('./account/follow').then(({ Follow }) => Follow))
  const apart = pathname === '/admin'
  const isHome = placeAt(location) !== null
  if (!apart && !isHome && !pathname.startsWith('/edit/')) return render(<NotFound title="Nothing is here" why="This address leads to no document." />, root)
  const name = apart || isHome ? null : nameFromPath(pathname)
  const problem = apart || isHome ? null : name === null ? 'The address is not readable text.' : nameProblem(name)
  if (problem) return render(<NotFound title="That cannot be a document" why={problem} />, root)

  // Fetched side by side; a server that cannot say who somebody is says more when the document is asked for.
  const page = apart ? null : name === null ? home() : editor(name)
  // It is told where it is waited for.
  page?.catch(() => {})
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
  // Nothing is shared with whoever has no account: there is no tab for it either.
  if (known && state !== 'signed_in' && pathname === '/shared') history.replaceState(null, '', '/')
  render(await (page ?? admin(known)), root)
  if (outcome.now !== null && provider) say(explained(outcome.now, provider))
}

show().catch(fail)
