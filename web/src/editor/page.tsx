import './editor.css'
import './preview.css'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import type { ComponentType } from 'preact'
import type { EditorView } from '@codemirror/view'
import { announce } from '../announce'
import { kindOf } from '../cm/language'
import { createText, type TextEditor } from '../cm/text'
import type { Counts } from '../cm/counts'
import { keep, recall } from '../kept'
import { splitName } from '../name'
import { say, Toast } from '../ui/toast'
import { Value, useValue } from '../value'
import { Ahead } from './ahead'
import { Divider } from './divider'
import { Footer } from './footer'
import { Header } from './header'
import { Jump } from './jump'
import { outsideKey, pageKeys, type Acts } from './keys'
import { Notice } from './notice'
import { Following } from './people'
import { Placeholder } from './placeholder'
import { Presence } from './presence'
import { Reading } from './reading'
import { kind, unsent } from './saved'
import { Session } from './session'
import { Shortcuts } from './shortcuts'

type PreviewPane = ComponentType<{ session: Session; view: EditorView }>
type Window = 'jump' | 'help' | null

const missing = () => say('That part could not be loaded. Reload the page when the server is back.')

export function Editor({ name }: { name: string }) {
  const session = useMemo(() => new Session(name), [name])
  const presence = useMemo(() => new Presence(session.awareness, session.text), [session])
  const what = useMemo(() => kindOf(name), [name])
  const counts = useMemo(() => new Value<Counts>({ words: 0, characters: 0, selected: null, line: 1, column: 1, lines: 1 }), [])
  const ready = useValue(session.ready)
  const saved = useValue(session.saved)
  const settled = useValue(session.settled)
  const [text, setText] = useState<TextEditor | null>(null)
  const [open, setOpen] = useState<Window>(null)
  const [wrap, setWrap] = useState<boolean>(() => recall(`wrap:${what.style}`, what.style === 'prose'))
  const [previewing, setPreviewing] = useState<boolean>(() => what.markdown && recall('preview', false) && innerWidth > 720)
  const [Preview, setPreview] = useState<PreviewPane | null>(null)
  const [split, setSplit] = useState(() => recall('split', 50))
  const host = useRef<HTMLDivElement>(null)
  const editor = useRef<TextEditor | null>(null)
  const finder = useRef<Promise<typeof import('../cm/find')> | null>(null)
  const finderHere = useRef(false)
  const ahead = useRef<Ahead | null>(null)

  const loadFind = () =>
    (finder.current ??= import('../cm/find').then((find) => {
      editor.current?.add(find.finding())
      finderHere.current = true
      return find
    }))
  const withFind = (use: (find: typeof import('../cm/find'), view: EditorView, typed: string) => void) => {
    if (ahead.current || !editor.current) return
    if (!finderHere.current) ahead.current = new Ahead('Find')
    const typed = () => {
      const was = ahead.current
      ahead.current = null
      return was ? was.end() : ''
    }
    loadFind().then((find) => {
      const text = typed()
      if (editor.current && text !== null) use(find, editor.current.view, text)
    }).catch(() => {
      typed()
      finder.current = null
      missing()
    })
  }

  const acts: Acts = {
    find: (replace) => withFind((find, view, typed) => find.openFind(view, replace, typed)),
    findStep: (back) => withFind((find, view, typed) => find.stepFind(view, back, typed)),
    jump: () => editor.current && setOpen('jump'),
    wrap: () => setWrap((on) => {
      keep(`wrap:${what.style}`, !on)
      announce(on ? 'Lines are not wrapped' : 'Lines are wrapped')
      return !on
    }),
    preview: () => what.markdown && setPreviewing((on) => {
      keep('preview', !on)
      return !on
    }),
    help: () => setOpen('help'),
    stop: () => {
      if (presence.following.now === null) return false
      presence.follow(null)
      return true
    },
  }
  const latest = useRef(acts)
  latest.current = acts

  useEffect(() => {
    const onKey = (event: KeyboardEvent) => outsideKey(event, latest.current)
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [])

  useEffect(() => {
    if (!ready || !host.current) return
    const late: Acts = new Proxy({} as Acts, { get: (_, key) => (...args: never[]) => (latest.current[key as keyof Acts] as (...a: never[]) => unknown)(...args) })
    const made = createText(host.current, { session, presence, kind: what, wrap, counts, keys: pageKeys(late) })
    editor.current = made
    setText(made)
    if (document.activeElement === document.body && matchMedia('(hover: hover)').matches) made.view.focus()
    // Fetched while the server is there: a page that goes offline can still find and preview.
    const rest = () => {
      loadFind().catch(() => (finder.current = null))
      if (what.markdown) void import('./preview').catch(() => {})
    }
    const idle = window.setTimeout(rest, 1_500)
    return () => {
      window.clearTimeout(idle)
      made.view.destroy()
      editor.current = null
      setText(null)
    }
  }, [ready])

  useEffect(() => text?.setWrap(wrap), [text, wrap])
  const fixed = saved.refusal !== null || saved.reading || !settled
  useEffect(() => text?.setReadOnly(fixed), [text, fixed])
  useEffect(() => {
    if (previewing && !Preview) import('./preview').then((m) => setPreview(() => m.Preview), () => { setPreviewing(false); missing() })
  }, [previewing])
  const waiting = unsent(saved) > 0 && kind(saved) !== 'saving'
  useEffect(() => {
    document.title = `${waiting ? '• ' : ''}${splitName(name).last} · Ropewalk`
  }, [waiting])

  const previewShown = previewing && Preview !== null && text !== null
  return (
    <div class={`editor ${what.style}`}>
      <Header name={name} session={session} presence={presence} markdown={what.markdown} previewing={previewing} wrap={wrap} usable={text !== null && !fixed} acts={acts} />
      <Reading session={session} />
      <main class={previewShown ? 'panes split' : 'panes'} style={{ '--split': `${split}%` }}>
        <div class="text-pane">
          {ready ? <div class="text-host" ref={host} /> : <Placeholder session={session} />}
          <Following presence={presence} />
        </div>
        {previewShown && <Divider at={split} onMove={(at) => { setSplit(at); keep('split', at) }} />}
        {previewShown && <Preview session={session} view={text.view} />}
      </main>
      <Footer session={session} counts={counts} label={what.label} usable={text !== null} onJump={acts.jump} />
      {ready && <Notice session={session} />}
      {open === 'jump' && text && <Jump view={text.view} onClose={() => setOpen(null)} />}
      {open === 'help' && <Shortcuts markdown={what.markdown} onClose={() => setOpen(null)} />}
      <Toast />
    </div>
  )
}
