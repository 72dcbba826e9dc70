import './home.css'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { ended } from '../account/ended'
import { identity } from '../account/identity'
import { allUnsent } from '../editor/offline'
import { editPath, nameProblem } from '../name'
import { Frame } from '../ui/frame'
import { Plus, Rope, Search, Close } from '../ui/icons'
import { useValue } from '../value'
import { count } from '../when'
import { Create } from './create'
import { Documents, type Listing } from './documents'
import { Row } from './row'

export function Home() {
  const documents = useMemo(() => new Documents(), [])
  const listing = useValue(documents.listing)
  const [q, setQ] = useState('')
  const [wish, setWish] = useState<string | null>(null)
  const mayBegin = useValue(identity).state !== 'guest'
  const search = useRef<HTMLInputElement>(null)

  useEffect(() => documents.start(), [])
  useEffect(() => {
    document.title = 'Documents · Ropewalk'
    const onKey = (event: KeyboardEvent) => {
      const typing = (event.target as HTMLElement).closest('input, dialog')
      if (typing || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        search.current?.focus()
      } else if (event.key === 'n' && mayBegin) {
        event.preventDefault()
        setWish('')
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [mayBegin])

  const seek = (text: string) => {
    setQ(text)
    documents.search(text)
  }

  return (
    <Frame>
        <div class="frame-head">
          <h1>Documents</h1>
          {mayBegin && <button type="button" class="button primary" title="New document (n)" aria-label="New document" onClick={() => setWish('')}><Plus /><span>New<span class="hide-narrow"> document</span></span></button>}
        </div>
        <div class="search" role="search">
          <Search />
          <input
            ref={search} id="search" type="search" class="field" placeholder="Search by name" aria-label="Search documents by name" autocomplete="off" spellcheck={false}
            value={q} onInput={(event) => seek(event.currentTarget.value)} onKeyDown={(event) => event.key === 'Escape' && seek('')}
          />
          {q ? (
            <button type="button" class="icon-button search-clear" aria-label="Clear the search" onClick={() => { seek(''); search.current?.focus() }}><Close /></button>
          ) : (
            <kbd class="key" aria-hidden="true">/</kbd>
          )}
        </div>
        <List listing={listing} documents={documents} onCreate={mayBegin ? setWish : null} />
      {wish !== null && <Create wish={wish} onClose={() => setWish(null)} />}
    </Frame>
  )
}

function List({ listing, documents, onCreate }: { listing: Listing; documents: Documents; onCreate: ((wish: string) => void) | null }) {
  const { documents: entries, error, q, next, more } = listing
  const unsent = useMemo(allUnsent, [entries])
  // Their documents are further down the list, or gone from it: what was typed must stay findable.
  const strays = [...unsent].filter(([name, n]) => n > 0 && !entries?.some((entry) => entry.name === name))
  if (error && (!entries || error.code === 'sign_in')) return <Trouble listing={listing} onRetry={() => void documents.load()} />
  if (!entries) return <Skeleton />
  return (
    <>
      {error && (
        <div class="home-notice" role="alert">
          <span>{said(error.code, error.message)} What you see may be old.</span>
          <button type="button" class="button plain" onClick={() => void documents.load()}>Try again</button>
        </div>
      )}
      {!q && strays.map(([name, n]) => (
        <a key={name} class="home-notice" href={editPath(name)}>
          <span><b><bdi>{name}</bdi></b> has {count(n, 'unsent edit')} in this browser.</span><span class="home-open">Open</span>
        </a>
      ))}
      {entries.length > 0 ? (
        <>
          <ul class="rows" aria-label="Documents">
            {entries.map((entry) => <Row key={entry.name} entry={entry} unsent={unsent.get(entry.name) ?? 0} onDelete={(name) => documents.remove(name)} />)}
          </ul>
          {next && <div class="home-more"><button type="button" class="button" disabled={more} onClick={() => void documents.more()}>Show more</button></div>}
        </>
      ) : q ? (
        <div class="blank">
          <h2>Nothing is called “{q}”</h2>
          <p>Names are searched, not what is written inside.</p>
          {onCreate && nameProblem(q) === null && <div class="acts"><button type="button" class="button" onClick={() => onCreate(q)}><Plus />Create “{q.length > 24 ? `${q.slice(0, 24)}…` : q}”</button></div>}
        </div>
      ) : !onCreate ? (
        <div class="blank">
          <div class="art"><Rope /></div>
          <h2>Nothing is shared with you here</h2>
          <p>Open the link that you were sent, or sign in.</p>
        </div>
      ) : (
        <div class="blank">
          <div class="art"><Rope /></div>
          <h2>No documents yet</h2>
          <p>{identity.now.state === 'open' ? 'Start one and send its link: everyone who opens it writes in the same text at the same time.' : 'Start one and share it: it is yours alone until then. What others share with you is here, too.'}</p>
          <div class="acts"><button type="button" class="button" onClick={() => onCreate('')}><Plus />Start the first one</button></div>
        </div>
      )}
    </>
  )
}

function said(code: string, message: string): string {
  if (code === 'unreachable') return 'The server cannot be reached.'
  if (code === 'storage') return 'The server cannot use its storage just now.'
  if (code === 'shutting_down') return 'The server is restarting.'
  return message
}

function Trouble({ listing, onRetry }: { listing: Listing; onRetry: () => void }) {
  const error = listing.error!
  if (error.code === 'sign_in') {
    return (
      <div class="blank" role="alert">
        <h2>{ended().title}</h2>
        <p>{ended().why}</p>
        <div class="acts"><button type="button" class="button primary" onClick={() => location.reload()}>Sign in</button></div>
      </div>
    )
  }
  return (
    <div class="blank" role="alert">
      <h2>{said(error.code, error.message)}</h2>
      <p>{error.code === 'unreachable' ? 'Documents you have already opened keep working in their own windows.' : 'Nothing is lost. This page tries again by itself.'}</p>
      <div class="acts"><button type="button" class="button" disabled={listing.busy} onClick={onRetry}>Try again</button></div>
    </div>
  )
}

function Skeleton() {
  return (
    <div class="rows waiting" role="status" aria-label="Loading the documents">
      {[38, 54, 30, 46, 62, 34].map((width, i) => (
        <div key={i} class="row"><span class={`skeleton w${width}`} /><span class="skeleton w10" /></div>
      ))}
    </div>
  )
}
