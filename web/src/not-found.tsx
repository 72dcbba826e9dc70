/** What stands where there is no page. */
import type { ComponentChildren } from 'preact'
import { Rope } from './ui/icons'

function Blank({ title, why, children }: { title: string; why: string; children: ComponentChildren }) {
  document.title = `${title} · Ropewalk`
  return (
    <main class="blank whole">
      <div class="art"><Rope /></div>
      <h1>{title}</h1>
      <p>{why}</p>
      <div class="acts">{children}</div>
    </main>
  )
}

export function NotFound({ title, why }: { title: string; why: string }) {
  return <Blank title={title} why={why}><a class="button" href="/">All documents</a></Blank>
}

/** Whose page it is cannot be known. */
export function NoAnswer() {
  return (
    <Blank title="The server does not answer" why="It may be gone for a moment. Nothing is lost by that.">
      <button type="button" class="button primary" onClick={() => location.reload()}>Try again</button>
    </Blank>
  )
}

/** A part of the page did not come. `before` runs before it is loaded anew. */
export function NotLoaded({ before }: { before?: () => void }) {
  const reload = () => {
    before?.()
    location.reload()
  }
  return (
    <Blank title="This page could not be loaded" why="A part of it did not come. The server may be gone for a moment, or have a newer page by now.">
      <button type="button" class="button primary" onClick={reload}>Reload</button>
    </Blank>
  )
}
