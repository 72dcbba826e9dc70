/** How the server does, as people understand it. */
import type { ComponentChildren, ComponentType } from 'preact'
import { useState } from 'preact/hooks'
import { Listed } from '../account/listed'
import { editPath } from '../name'
import { bytes } from '../size'
import { PeopleIcon } from '../ui/icons'
import { Path } from '../ui/path'
import { say } from '../ui/toast'
import { ago, count, exact } from '../when'
import { useFresh } from './fresh'
import { loadStatus, type Status } from './server'

const FRESH_MS = 5_000
/** Less than this is too little to sleep well, in bytes. */
const LITTLE = 1 << 30

/** The script that this page runs, which has another name in every version. */
const running = document.querySelector<HTMLScriptElement>('script[type="module"]')?.src.split('/').at(-1) ?? null

export function Overview() {
  const status = useFresh(loadStatus, FRESH_MS)
  return (
    <Listed of={status}>
      {(now) => (
        <div class="overview">
          {status.error ? <Health bad title="The server cannot be asked" why={`${status.error.message} What you see is from before.`} /> : <Ready status={now} />}
          <div class="facts-all">
            <Documents status={now} />
            <Storage status={now} />
            <Running status={now} />
          </div>
        </div>
      )}
    </Listed>
  )
}

function Health({ title, why, bad = false }: { title: string; why: string; bad?: boolean }) {
  return (
    <section class={bad ? 'health bad' : 'health'} data-testid="health" role={bad ? 'alert' : undefined}>
      <i aria-hidden="true" />
      <div><h2>{title}</h2><p>{why}</p></div>
    </section>
  )
}

function Ready({ status }: { status: Status }) {
  const { storage } = status
  if (status.reason === 'stopping') return <Health bad title="The server is stopping" why="It saves what it has and lets nobody in any more." />
  if (!status.is_ready) {
    return <Health bad title="Nothing can be saved" why="The disk does not take what is written: it may be full, or broken. Nobody is told that an edit is saved which is not; what people type stays in their windows until it works again." />
  }
  if (storage.free_bytes !== null && storage.free_bytes < LITTLE) {
    return <Health bad title="The disk is almost full" why={`There are ${bytes(storage.free_bytes)} left. When there is nothing left, edits cannot be saved any more.`} />
  }
  return <Health title="Everything works" why="The server takes edits, and has just written something to its disk to be sure." />
}

function Facts({ title, children }: { title: string; children: ComponentChildren }) {
  return <section class="facts" aria-label={title}><h2>{title}</h2>{children}</section>
}

function Fact({ name, children }: { name: string; children: ComponentChildren }) {
  return <div><dt>{name}</dt><dd>{children}</dd></div>
}

type ShareDialog = ComponentType<{ of: { folder: string }; onClose: () => void }>

function Documents({ status }: { status: Status }) {
  const { documents } = status
  const [Sharing, setSharing] = useState<ShareDialog | null>(null)
  const share = () => import('../sharing/dialog').then((m) => setSharing(() => m.ShareDialog), () => say('That part could not be loaded. Reload the page when the server is back.'))
  return (
    <Facts title="Documents">
      <dl>
        <Fact name="How many">{documents ? count(documents.count, 'document') : 'Not known just now'}</Fact>
        {documents && <Fact name="Text in them">{count(documents.length, 'character')}</Fact>}
        <Fact name="Open now">{count(status.open_documents, 'document')}</Fact>
        <Fact name="Connections now">{status.connections.toLocaleString('en')} of at most {status.max_connections.toLocaleString('en')}</Fact>
      </dl>
      {documents && documents.longest.length > 0 && (
        <>
          <h3 class="label">The longest</h3>
          <ol class="longest">
            {documents.longest.map(({ name, length, edited_at }) => (
              <li key={name}><a href={editPath(name)} title={`Edited ${ago(edited_at, status.now)}`}><Path name={name} /></a><span>{count(length, 'character')}</span></li>
            ))}
          </ol>
        </>
      )}
      <div><button type="button" class="button" onClick={() => void share()}><PeopleIcon />Who has all documents</button></div>
      {Sharing && <Sharing of={{ folder: '' }} onClose={() => setSharing(null)} />}
    </Facts>
  )
}

function Storage({ status: { storage, is_ready, now } }: { status: Status }) {
  const size = (n: number | null) => (n === null ? 'Not known' : bytes(n))
  return (
    <Facts title="Storage">
      <dl>
        <Fact name="Saving">{is_ready ? 'Works' : 'Does not work'}</Fact>
        <Fact name="Last backup">{storage.last_backup_at === undefined ? 'Not known' : storage.last_backup_at === null ? 'None yet' : <time title={exact(storage.last_backup_at)}>{ago(storage.last_backup_at, now)}</time>}</Fact>
        <Fact name="Last written">{storage.last_commit_at === null ? 'Nothing yet since the start' : <time title={exact(storage.last_commit_at)}>{ago(storage.last_commit_at, now)}</time>}</Fact>
        <Fact name="Waiting to be written">{storage.waiting_updates === 0 ? 'Nothing' : `${count(storage.waiting_updates, 'edit')}, ${bytes(storage.waiting_bytes)}`}</Fact>
        <Fact name="Failures since the start">{storage.failures === 0 ? 'None' : storage.failures.toLocaleString('en')}</Fact>
        <Fact name="Database">{size(storage.database_bytes)}</Fact>
        <Fact name="Journal beside it">{size(storage.journal_bytes)}</Fact>
        <Fact name="Left on the disk">{size(storage.free_bytes)}</Fact>
      </dl>
      <p class="hint">Backups are made with <code>ropewalk backup</code> on the server’s machine, while people write.</p>
    </Facts>
  )
}

function Running({ status: { versions, started_at, now } }: { status: Status }) {
  const same = running === null || versions.page === null || running === versions.page
  return (
    <Facts title="Version">
      <dl>
        <Fact name="Ropewalk">{versions.ropewalk}</Fact>
        <Fact name="Runs since"><time title={exact(started_at)}>{ago(started_at, now)}</time></Fact>
        <Fact name="Format of the documents">{versions.database}</Fact>
        <Fact name="Format of the accounts">{versions.accounts}</Fact>
        <Fact name="This page">{same ? 'Is the server’s' : <button type="button" class="button plain" onClick={() => location.reload()}>Is older than the server: reload</button>}</Fact>
      </dl>
    </Facts>
  )
}
