/** Find and replace: CodeMirror's search under a panel of our own that lies over the text and moves nothing. */
import {
  closeSearchPanel, findNext, findPrevious, getSearchQuery, openSearchPanel, replaceAll, replaceNext, search, SearchQuery,
  setSearchQuery, highlightSelectionMatches,
} from '@codemirror/search'
import type { EditorState, Extension } from '@codemirror/state'
import { EditorView, keymap, runScopeHandlers, type Panel, type ViewUpdate } from '@codemirror/view'
import { render } from 'preact'
import { useEffect, useRef, useState } from 'preact/hooks'
import { Close, Down, Replace, Up } from '../ui/icons'
import { Value, useValue } from '../value'

const COUNTED = 1_000

interface Matches {
  total: number
  /** Place of the selected match, from 1; 0 when the selection is no match. */
  at: number
}

function matches(state: EditorState, query: SearchQuery): Matches {
  const found: Matches = { total: 0, at: 0 }
  if (!query.valid || !query.search) return found
  const { from, to } = state.selection.main
  const cursor = query.getCursor(state)
  for (let match = cursor.next(); !match.done && found.total <= COUNTED; match = cursor.next()) {
    found.total += 1
    if (match.value.from === from && match.value.to === to) found.at = found.total
  }
  return found
}

class FindPanel implements Panel {
  readonly dom = document.createElement('div')
  readonly top = true
  readonly query: Value<SearchQuery>
  readonly found = new Value<Matches>({ total: 0, at: 0 })
  #timer = 0

  constructor(readonly view: EditorView, readonly replacing: Value<boolean>) {
    this.query = new Value(getSearchQuery(view.state))
    this.dom.className = 'find'
    this.dom.setAttribute('role', 'search')
    this.dom.setAttribute('aria-label', 'Find and replace')
    this.dom.addEventListener('keydown', (event) => {
      if (runScopeHandlers(view, event, 'search-panel')) event.preventDefault()
    })
    render(<Find panel={this} />, this.dom)
  }

  mount(): void {
    this.select()
    this.#count(0)
  }

  select(): void {
    this.dom.querySelector<HTMLInputElement>('[main-field]')?.select()
  }

  /** Puts in what was typed before the panel was there. */
  type(text: string): void {
    const into = this.replacing.now && this.query.now.search ? '.find-with' : '[main-field]'
    const field = this.dom.querySelector<HTMLInputElement>(into) ?? this.dom.querySelector<HTMLInputElement>('[main-field]')
    if (!text || !field) return
    field.setRangeText(text, 0, field.value.length, 'end')
    field.dispatchEvent(new InputEvent('input', { bubbles: true }))
  }

  update(update: ViewUpdate): void {
    for (const transaction of update.transactions) {
      for (const effect of transaction.effects) if (effect.is(setSearchQuery) && !effect.value.eq(this.query.now)) this.query.set(effect.value)
    }
    if (update.docChanged || update.selectionSet || update.transactions.length) this.#count(60)
  }

  change(part: Partial<Pick<SearchQuery, 'search' | 'replace' | 'caseSensitive' | 'regexp' | 'wholeWord'>>): void {
    const { search, replace, caseSensitive, regexp, wholeWord } = this.query.now
    const query = new SearchQuery({ search, replace, caseSensitive, regexp, wholeWord, literal: true, ...part })
    this.query.set(query)
    this.view.dispatch({ effects: setSearchQuery.of(query) })
    this.#count(0)
  }

  #count(ms: number): void {
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => this.found.set(matches(this.view.state, this.query.now)), ms)
  }

  destroy(): void {
    window.clearTimeout(this.#timer)
    render(null, this.dom)
  }
}

function Find({ panel }: { panel: FindPanel }) {
  const query = useValue(panel.query)
  const found = useValue(panel.found)
  const replacing = useValue(panel.replacing)
  const { view } = panel
  const readOnly = view.state.readOnly
  const none = query.search !== '' && found.total === 0
  const wrong = query.search !== '' && !query.valid
  const said = !query.search ? '' : wrong ? 'Not a valid pattern' : none ? 'No match' : `${found.at ? `${found.at} of ` : ''}${found.total > COUNTED ? `${COUNTED}+` : found.total}`
  const toggle = (key: 'caseSensitive' | 'wholeWord' | 'regexp', label: string, sign: string) => (
    <button type="button" class="find-toggle" aria-label={label} title={label} aria-pressed={query[key]} onClick={() => panel.change({ [key]: !query[key] })}>{sign}</button>
  )
  const step = (event: KeyboardEvent) => {
    if (event.key !== 'Enter') return
    event.preventDefault()
    ;(event.shiftKey ? findPrevious : findNext)(view)
  }
  return (
    <>
      <div class="find-line">
        <button type="button" class="icon-button" aria-label="Replace" title="Replace" aria-pressed={replacing} disabled={readOnly} onClick={() => panel.replacing.set(!replacing)}><Replace /></button>
        <div class="find-field">
          <input
            class="field" main-field="true" aria-label="Find" placeholder="Find" autocomplete="off" spellcheck={false} aria-invalid={wrong || none}
            value={query.search} onInput={(event) => panel.change({ search: event.currentTarget.value })} onKeyDown={step}
          />
          <div class="find-toggles">
            {toggle('caseSensitive', 'Match case', 'Aa')}
            {toggle('wholeWord', 'Whole words', 'W')}
            {toggle('regexp', 'Regular expression', '.*')}
          </div>
        </div>
        <span class="find-count" role="status">{said}</span>
        <button type="button" class="icon-button" aria-label="Previous match" title="Previous match" onClick={() => findPrevious(view)}><Up /></button>
        <button type="button" class="icon-button" aria-label="Next match" title="Next match" onClick={() => findNext(view)}><Down /></button>
        <button type="button" class="icon-button" aria-label="Close" title="Close (Esc)" onClick={() => { closeSearchPanel(view); view.focus() }}><Close /></button>
      </div>
      {replacing && !readOnly && <ReplaceLine panel={panel} query={query} />}
    </>
  )
}

function ReplaceLine({ panel, query }: { panel: FindPanel; query: SearchQuery }) {
  const field = useRef<HTMLInputElement>(null)
  const [first] = useState(query.search)
  useEffect(() => {
    if (first) field.current?.focus()
  }, [])
  return (
    <div class="find-line">
      <input
        ref={field} class="field find-with" aria-label="Replace with" placeholder="Replace with" autocomplete="off" spellcheck={false} value={query.replace}
        onInput={(event) => panel.change({ replace: event.currentTarget.value })}
        onKeyDown={(event) => {
          if (event.key !== 'Enter') return
          event.preventDefault()
          replaceNext(panel.view)
        }}
      />
      <button type="button" class="button" onClick={() => replaceNext(panel.view)}>Replace</button>
      <button type="button" class="button" onClick={() => replaceAll(panel.view)}>All</button>
    </div>
  )
}

const replacing = new Value(false)
const panels = new WeakMap<EditorView, FindPanel>()

export function finding(): Extension {
  return [
    search({
      top: true,
      literal: true,
      createPanel: (view) => {
        const panel = new FindPanel(view, replacing)
        panels.set(view, panel)
        return panel
      },
      scrollToMatch: (range) => EditorView.scrollIntoView(range, { y: 'center' }),
    }),
    keymap.of([
      { key: 'Escape', run: closeSearchPanel, scope: 'editor search-panel' },
      { key: 'Mod-g', run: findNext, shift: findPrevious, scope: 'search-panel', preventDefault: true },
      { key: 'F3', run: findNext, shift: findPrevious, scope: 'search-panel', preventDefault: true },
    ]),
    highlightSelectionMatches({ minSelectionLength: 3, wholeWords: true }),
  ]
}

export function openFind(view: EditorView, withReplace: boolean, typed = ''): void {
  if (withReplace) replacing.set(true)
  openSearchPanel(view)
  panels.get(view)?.select()
  panels.get(view)?.type(typed)
}

export function stepFind(view: EditorView, back: boolean, typed = ''): void {
  if (getSearchQuery(view.state).search) (back ? findPrevious : findNext)(view)
  else openFind(view, false, typed)
}

