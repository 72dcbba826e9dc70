import './tokens.css'
import './base.css'
import './ui/ui.css'
import { render } from 'preact'
import { NotFound } from './not-found'
import { nameFromPath, nameProblem } from './name'
import { applyTheme } from './theme'

applyTheme()

const root = document.getElementById('app')!

async function show(): Promise<void> {
  const { pathname } = location
  if (pathname === '/') {
    const { Home } = await import('./home/home')
    return render(<Home />, root)
  }
  if (!pathname.startsWith('/edit/')) return render(<NotFound title="Nothing is here" why="This address leads to no document." />, root)
  const name = nameFromPath(pathname)
  const problem = name === null ? 'The address is not readable text.' : nameProblem(name)
  if (name === null || problem) return render(<NotFound title="That cannot be a document" why={problem ?? ''} />, root)
  const { Editor } = await import('./editor/page')
  render(<Editor name={name} />, root)
}

void show()
