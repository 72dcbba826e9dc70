/** Folders and documents, as a list. */
import { useMemo } from 'preact/hooks'
import type { FolderEntry } from '../api'
import { identity } from '../account/identity'
import { allUnsent } from '../editor/offline'
import { editPath, nameProblem, splitName } from '../name'
import { Folder, Plus, Rope } from '../ui/icons'
import { Path } from '../ui/path'
import { ago, count, exact } from '../when'
import type { Documents, Listing } from './documents'
import { folderPath } from './place'
import { Row } from './row'
import { said, Skeleton, Trouble } from './states'
import { lookedIn, unsearched } from './texts'

/** So many are named. */
const DAMAGED = 3

interface ListProps {
  listing: Listing
  documents: Documents
  /** Null for who may begin none. */
  onCreate: ((wish: string) => void) | null
}

export function List({ listing, documents, onCreate }: ListProps) {
  const { place, documents: entries, folders, damaged, error, next, more } = listing
  const unsent = useMemo(allUnsent, [entries])
  if (error && (!entries || error.code === 'sign_in')) return <Trouble error={error} busy={listing.busy} onRetry={() => void documents.load()} />
  if (!entries) return <Skeleton />
  const isTop = place.view === 'folder' && place.folder === '' && place.q === ''
  const isSearch = place.view === 'folder' && place.q !== ''
  // Their documents are further down the list, or gone from it: what was typed must stay findable.
  const strays = isTop ? [...unsent].filter(([name, n]) => n > 0 && !entries.some((entry) => entry.name === name)) : []
  const within = place.view === 'folder' && !isSearch ? place.folder : null
  const rows = entries.length > 0 && (
    <ul class="rows" aria-label={isSearch ? 'Documents with such a name' : 'Documents'}>
      {entries.map((entry) => <Row key={entry.name} entry={entry} within={within} unsent={unsent.get(entry.name) ?? 0} onDelete={(name) => documents.remove(name)} onRestored={() => void documents.load()} />)}
    </ul>
  )
  return (
    <>
      {error && (
        <div class="home-notice" role="alert">
          <span>{said(error)} What you see may be old.</span>
          <button type="button" class="button plain" onClick={() => void documents.load()}>Try again</button>
        </div>
      )}
      {damaged.length > 0 && (
        <div class="home-notice" role="status">
          <span>The database is damaged, and {count(damaged.length, 'document')} cannot be listed: {damaged.slice(0, DAMAGED).join('; ')}{damaged.length > DAMAGED && ' and more'}.</span>
        </div>
      )}
      {strays.map(([name, n]) => (
        <a key={name} class="home-notice" href={editPath(name)}>
          <span><b><bdi>{name}</bdi></b> has {count(n, 'unsent edit')} in this browser.</span><span class="home-open">Open</span>
        </a>
      ))}
      {folders.length > 0 && <ul class="rows" aria-label="Folders">{folders.map((folder) => <FolderRow key={folder.path} folder={folder} whole={within === null} />)}</ul>}
      {isSearch && entries.length > 0 && <h2 class="label part">Named like this</h2>}
      {rows}
      {next && <div class="home-more"><button type="button" class="button" disabled={more} onClick={() => void documents.more()}>Show more</button></div>}
      {isSearch && <Texts listing={listing} documents={documents} />}
      {entries.length === 0 && folders.length === 0 && !(listing.texts && listing.texts.found.length > 0) && <Nothing listing={listing} onCreate={onCreate} />}
    </>
  )
}

function FolderRow({ folder, whole }: { folder: FolderEntry; whole: boolean }) {
  const name = folder.path === '' ? 'All documents' : folder.path
  return (
    <li class="row" data-testid="folder">
      <a class="row-link" href={folderPath(folder.path)} title={name}>
        <span class="row-name row-folder"><Folder /><Path name={whole ? name : splitName(name).last} /></span>
        <span class="row-length">{count(folder.documents, 'document')}</span>
        <time class="row-time" dateTime={new Date(folder.edited_at).toISOString()} title={exact(folder.edited_at)}>{ago(folder.edited_at)}</time>
      </a>
    </li>
  )
}

/** What was found in texts, with the words around it. */
function Texts({ listing: { place, texts, more }, documents }: { listing: Listing; documents: Documents }) {
  if (!texts || place.view !== 'folder') return null
  const trouble = texts.error && unsearched(texts.error, place.q)
  return (
    <>
      {texts.found.length > 0 && (
        <>
          <h2 class="label part">In the text</h2>
          <ul class="rows" aria-label="Documents with these words in them">
            {texts.found.map((entry) => (
              <li key={entry.name} class="found" data-testid="found">
                <a class="found-link row-link" href={editPath(entry.name)} title={entry.name}>
                  <span class="found-head">
                    <Path name={entry.name} />
                    <time class="row-time" dateTime={new Date(entry.edited_at).toISOString()} title={exact(entry.edited_at)}>{ago(entry.edited_at)}</time>
                  </span>
                  {entry.snippets.map((parts, i) => <span key={i} class="snippet">{parts.map((part, j) => (part.hit ? <mark key={j}>{part.text}</mark> : <span key={j}>{part.text}</span>))}</span>)}
                </a>
              </li>
            ))}
          </ul>
          {texts.next && <div class="home-more"><button type="button" class="button" disabled={more} onClick={() => void documents.moreTexts()}>Show more</button></div>}
        </>
      )}
      {trouble ? <p class="hint part">{trouble}</p> : !texts.isComplete && <p class="hint part">Not every text has been gone through yet: there may be more in a while.</p>}
    </>
  )
}

function Nothing({ listing: { place, texts }, onCreate }: { listing: Listing; onCreate: ((wish: string) => void) | null }) {
  if (place.view === 'folder' && place.q) {
    const { q, folder } = place
    const wish = folder === '' ? q : `${folder}/${q}`
    return (
      <div class="blank">
        <h2>Nothing is found for “{q}”</h2>
        <p>{lookedIn(texts)}{folder === '' ? '.' : ` of the folder ${folder}.`}</p>
        <div class="acts">
          {folder !== '' && <a class="button" href={`/?${new URLSearchParams({ q })}`}>Search everywhere</a>}
          {onCreate && nameProblem(wish) === null && <button type="button" class="button" onClick={() => onCreate(wish)}><Plus />Create “{q.length > 24 ? `${q.slice(0, 24)}…` : q}”</button>}
        </div>
      </div>
    )
  }
  const { state } = identity.now
  const [title, why, act] =
    place.view === 'recent' ? ['Nothing yet', 'What you open and edit is found here again.', null]
    : place.view === 'shared' ? ['Nothing is shared with you yet', 'What others share with you, or with a group that you are in, is found here.', null]
    : place.view === 'folder' && place.folder !== '' ? ['Nothing is in this folder', 'A folder is there as long as something is in it that you may read.', 'Start something here']
    : !onCreate ? ['Nothing is shared with you here', 'Open the link that you were sent, or sign in.', null]
    : ['No documents yet', state === 'open' ? 'Start one and send its link: everyone who opens it writes in the same text at the same time.' : 'Start one and share it: it is yours alone until then. What others share with you is here, too.', 'Start the first one']
  return (
    <div class="blank">
      <div class="art"><Rope /></div>
      <h2>{title}</h2>
      <p>{why}</p>
      {act && onCreate && <div class="acts"><button type="button" class="button" onClick={() => onCreate(place.view === 'folder' && place.folder !== '' ? `${place.folder}/` : '')}><Plus />{act}</button></div>}
    </div>
  )
}
