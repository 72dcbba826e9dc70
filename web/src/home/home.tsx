/** The documents: by folders, lately, shared with somebody, deleted, and searched. */
import './home.css'
import type { ComponentType } from 'preact'
import { useEffect, useMemo, useRef, useState } from 'preact/hooks'
import { identity } from '../account/identity'
import { send } from '../api'
import { encodeName, splitName } from '../name'
import { Frame } from '../ui/frame'
import { Close, PeopleIcon, Plus, Search } from '../ui/icons'
import { say } from '../ui/toast'
import { useValue } from '../value'
import { Create } from './create'
import { Documents } from './documents'
import { List } from './list'
import { folderPath, pathOf, placeAt, TOP, type Place } from './place'
import { Skeleton } from './states'
import { Trash } from './trash'

const TITLES = { recent: 'Recent', shared: 'Shared with me', trash: 'Trash' }

/** Where one is, in step with the address line. */
function usePlace(): [Place, (place: Place, replace?: boolean) => void] {
  const [place, setPlace] = useState<Place>(() => placeAt(location) ?? TOP)
  useEffect(() => {
    const back = () => setPlace(placeAt(location) ?? TOP)
    window.addEventListener('popstate', back)
    return () => window.removeEventListener('popstate', back)
  }, [])
  const go = (to: Place, replace = false) => {
    history[replace ? 'replaceState' : 'pushState'](null, '', pathOf(to))
    setPlace(to)
  }
  return [place, go]
}

export function Home() {
  const [place, go] = usePlace()
  const documents = useMemo(() => new Documents(), [])
  const listing = useValue(documents.listing)
  const [wish, setWish] = useState<string | null>(null)
  const { state } = useValue(identity)
  // Of who has an account it is not said before: they may begin documents somewhere.
  const mayBegin = state !== 'guest' || (listing.mayBegin && pathOf(listing.place) === pathOf(place))
  const search = useRef<HTMLInputElement>(null)
  const body = useRef<HTMLDivElement>(null)
  const typing = useRef(false)
  const folder = place.view === 'folder' ? place.folder : ''
  const q = place.view === 'folder' ? place.q : ''
  const [typed, setTyped] = useState(q)
  const isHere = pathOf(listing.place) === pathOf(place)
  // What a search of the same folder has found stays until there is something else; another place does not.
  const isStale = !isHere && !(place.view === 'folder' && listing.place.view === 'folder' && listing.place.folder === folder)
  const begin = () => setWish(folder === '' ? '' : `${folder}/`)

  useEffect(() => documents.start(), [])
  useEffect(() => {
    documents.go(place, typing.current)
    if (!typing.current) setTyped(q)
    typing.current = false
    document.title = `${place.view !== 'folder' ? TITLES[place.view] : folder === '' ? 'Documents' : splitName(folder).last} · Ropewalk`
  }, [pathOf(place)])
  useEffect(() => {
    const onKey = (event: KeyboardEvent) => {
      const inField = (event.target as HTMLElement).closest('input, select, dialog')
      if (inField || event.ctrlKey || event.metaKey || event.altKey) return
      if (event.key === '/') {
        event.preventDefault()
        search.current?.focus()
      } else if (event.key === 'n' && mayBegin) {
        event.preventDefault()
        begin()
      }
    }
    document.addEventListener('keydown', onKey)
    return () => document.removeEventListener('keydown', onKey)
  }, [mayBegin, folder])

  const seek = (text: string) => {
    setTyped(text)
    typing.current = true
    const to: Place = { view: 'folder', folder, q: text.trim() }
    // Going back leaves the search, and not one letter of it after the other.
    if (pathOf(to) !== pathOf(place)) go(to, q !== '' && to.q !== '')
    else typing.current = false
  }
  /** A press on a link to another place of this page does not load it anew. */
  const follow = (event: MouseEvent) => {
    const link = (event.target as HTMLElement).closest('a')
    if (!link || event.defaultPrevented || event.button !== 0 || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey || link.origin !== location.origin) return
    const to = placeAt(link)
    if (!to || link.hash) return
    event.preventDefault()
    go(to)
    window.scrollTo(0, 0)
    if (body.current?.contains(link) || link.closest('.crumbs')) document.getElementById('place')?.focus()
  }
  /** Up and down go from one line to the next. */
  const step = (event: KeyboardEvent) => {
    if (event.key !== 'ArrowDown' && event.key !== 'ArrowUp') return
    const lines: HTMLElement[] = [...(body.current?.querySelectorAll<HTMLElement>('.row-link') ?? [])]
    const at = lines.indexOf(document.activeElement as HTMLElement)
    const inSearch = document.activeElement === search.current
    if (lines.length === 0 || (at < 0 && !inSearch)) return
    event.preventDefault()
    const to = event.key === 'ArrowDown' ? at + 1 : at - 1
    if (to < 0) search.current?.focus()
    else lines[Math.min(to, lines.length - 1)]?.focus()
  }
  const enter = (event: KeyboardEvent) => {
    if (event.key === 'Escape') seek('')
    else if (event.key === 'Enter' && q && isHere && !listing.busy) body.current?.querySelector<HTMLElement>('.row-link')?.click()
  }

  return (
    <div onClick={follow} onKeyDown={step}>
      <Frame>
        <Head folder={folder} title={place.view === 'folder' ? null : TITLES[place.view]}>
          {folder !== '' && state === 'signed_in' && <ShareFolder key={folder} folder={folder} />}
          {mayBegin && place.view !== 'trash' && <button type="button" class="button primary" title="New document (n)" aria-label="New document" onClick={begin}><Plus /><span>New<span class="hide-narrow"> document</span></span></button>}
        </Head>
        {state !== 'guest' && (
          <nav class="tabs" aria-label="Which documents">
            <Tab to={TOP} now={place}>Documents</Tab>
            <Tab to={{ view: 'recent' }} now={place}>Recent</Tab>
            {state === 'signed_in' && <Tab to={{ view: 'shared' }} now={place}>Shared<span class="hide-narrow"> with me</span></Tab>}
            <Tab to={{ view: 'trash' }} now={place}>Trash</Tab>
          </nav>
        )}
        {place.view === 'folder' && (
          <div class="search" role="search">
            <Search />
            <input
              ref={search} id="search" type="search" class="field" placeholder={folder === '' ? 'Search names and texts' : `Search in ${splitName(folder).last}`} aria-label="Search documents by name and text" autocomplete="off" spellcheck={false} maxLength={256}
              value={typed} onInput={(event) => seek(event.currentTarget.value)} onKeyDown={enter}
            />
            {typed ? (
              <button type="button" class="icon-button search-clear" aria-label="Clear the search" onClick={() => { seek(''); search.current?.focus() }}><Close /></button>
            ) : (
              <kbd class="key" aria-hidden="true">/</kbd>
            )}
          </div>
        )}
        <div ref={body}>
          {place.view === 'trash' ? <Trash /> : isStale ? <Skeleton /> : <List listing={listing} documents={documents} onCreate={mayBegin ? setWish : null} />}
        </div>
        {wish !== null && <Create wish={wish} onClose={() => setWish(null)} />}
      </Frame>
    </div>
  )
}

function Tab({ to, now, children }: { to: Place; now: Place; children: preact.ComponentChildren }) {
  return <a id={`${to.view}-tab`} class="tab" href={pathOf(to)} aria-current={to.view === now.view ? 'page' : undefined}>{children}</a>
}

/** Where one is, and the way out of it. */
function Head({ folder, title, children }: { folder: string; title: string | null; children: preact.ComponentChildren }) {
  const { folders, last } = splitName(folder)
  return (
    <>
      {folder !== '' && (
        <nav class="crumbs" aria-label="Folders above">
          <a href="/">Documents</a>
          {folders.map((name, i) => <span key={i}><i aria-hidden="true">/</i><a href={folderPath(folders.slice(0, i + 1).join('/'))}><bdi>{name}</bdi></a></span>)}
        </nav>
      )}
      <div class={folder === '' ? 'frame-head' : 'frame-head below'}>
        <h1 id="place" tabIndex={-1} title={last || undefined}><bdi>{title ?? (folder === '' ? 'Documents' : last)}</bdi></h1>
        <div class="home-acts">{children}</div>
      </div>
    </>
  )
}

type ShareDialog = ComponentType<{ of: { folder: string }; onClose: () => void }>

/** For who owns all that is in a folder. */
function ShareFolder({ folder }: { folder: string }) {
  const [may, setMay] = useState(false)
  const [Sharing, setSharing] = useState<ShareDialog | null>(null)
  useEffect(() => {
    let current = true
    send('GET', `/api/folders/${encodeName(folder)}/sharing`).then(() => current && setMay(true), () => {})
    return () => {
      current = false
    }
  }, [])
  const open = () => import('../sharing/dialog').then((m) => setSharing(() => m.ShareDialog), () => say('That part could not be loaded. Reload the page when the server is back.'))
  if (!may) return null
  return (
    <>
      <button type="button" class="button" aria-label="Share this folder" title="Share this folder" onClick={() => void open()}><PeopleIcon /><span class="hide-narrow">Share</span></button>
      {Sharing && <Sharing of={{ folder }} onClose={() => setSharing(null)} />}
    </>
  )
}
