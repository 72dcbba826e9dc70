/** One open document: its text, its connection, its offline copy, and what may be said about them. */
import { Awareness } from 'y-protocols/awareness'
import { Doc, UndoManager, type Text } from 'yjs'
import { identity } from '../account/identity'
import { describeDocument, type Access } from '../api'
import { Value } from '../value'
import { openCopy, type OfflineCopy } from './copy'
import { Link } from './link'
import { begin, unsent, type Saved } from './saved'
import { watchRegained } from './regain'
import { adopt, dropCopy, note, placeOf, release } from './offline'

/** The root text that every editor and the server's API share. */
const ROOT = 'text'
const NOTE_MS = 300

/** Marks a local edit made in the text editor. */
export const TYPED = 'typed'

export class Session {
  readonly doc = new Doc()
  readonly text: Text = this.doc.getText(ROOT)
  readonly awareness = new Awareness(this.doc)
  readonly undo: UndoManager
  readonly saved: Value<Saved>
  /** The text may be shown and edited: it came from the server or from a complete offline copy. */
  readonly ready = new Value(false)
  /** Nobody has ever written anything here. */
  readonly blank = new Value(true)
  /** Edits survive closing this page. */
  readonly keepsCopy = new Value(false)
  /** What may be done here; null until the server has said it, and of a document that is not there yet. */
  readonly access = new Value<Access | null>(null)
  /** Where there are accounts, nothing is typed before it is known whether that may be. */
  readonly settled = new Value(identity.now.state === 'open')
  #place
  #met = false
  #page = Math.random().toString(36).slice(2)
  #adopted
  #copy: OfflineCopy | null = null
  #link: Link
  #noteTimer = 0

  constructor(readonly name: string) {
    this.undo = new UndoManager(this.text, { trackedOrigins: new Set([TYPED]), captureTimeout: 500 })
    this.doc.once('update', () => this.blank.set(false))
    this.#place = placeOf(name)
    this.#adopted = adopt(this.#place)
    this.saved = new Value(begin(this.#adopted.total))
    this.#link = new Link(name, this.doc, this.awareness, this.saved)
    this.#link.onSynced = () => {
      this.#met = true
      if (!this.#copy?.complete) this.#copy?.markComplete()
      this.ready.set(true)
    }
    this.#watchAccess()
    watchRegained(this)
    void this.#open()
  }

  retry(): void {
    this.#link.retry()
  }

  /** Drops the offline copy, edits that never reached the server included. */
  async discard(): Promise<void> {
    this.#page = ''
    await this.#copy?.close()
    await dropCopy(this.#place)
  }

  #watchAccess(): void {
    if (identity.now.state === 'open') return
    void this.#learnAccess()
    let reading = false
    this.saved.watch((now) => {
      if (now.reading !== reading || (this.access.now === null && now.savedAt !== null && unsent(now) === 0)) void this.#learnAccess()
      reading = now.reading
      // Somebody else may have read here before: what is not theirs any more is not shown from the copy.
      if (now.refusal === 'denied' && !this.#met && unsent(now) === 0 && this.ready.now) {
        this.ready.set(false)
        void this.discard()
      }
    })
  }

  async #learnAccess(): Promise<void> {
    try {
      const { access } = await describeDocument(this.name)
      this.access.set(access)
      this.#link.expect(access !== 'read' && access !== 'comment')
    } catch {
      // The connection says the rest: there is no such document yet, or it is not shared.
    }
    this.settled.set(true)
  }

  async #open(): Promise<void> {
    this.#copy = await openCopy(this.#place, this.doc, () => this.keepsCopy.set(false))
    // Only what comes now is new: what the copy held was counted when it was typed.
    this.saved.set(begin(this.#copy ? this.#adopted.total : 0))
    this.keepsCopy.set(this.#copy !== null)
    if (this.#copy?.complete) this.ready.set(true)
    this.saved.watch((now) => this.#noteUnsent(now))
    this.#guardLeaving()
    this.#link.connect()
  }

  /** Keeps the number of unsent edits beside the copy: the first at once, the rest a little later. */
  #noteUnsent(now: Saved): void {
    if (!this.#copy) return
    const waiting = unsent(now)
    if (waiting === 0 && this.#adopted.entries.size > 0 && now.confirmed) release(this.#adopted)
    if (waiting < 2) return this.#writeUnsent()
    if (!this.#noteTimer) this.#noteTimer = window.setTimeout(() => this.#writeUnsent(), NOTE_MS)
  }

  #writeUnsent(): void {
    window.clearTimeout(this.#noteTimer)
    this.#noteTimer = 0
    if (!this.#page || !this.#copy) return
    const own = unsent(this.saved.now) - [...this.#adopted.entries.values()].reduce((a, b) => a + b, 0)
    note(this.#place, this.#page, Math.max(0, own))
  }

  #guardLeaving(): void {
    window.addEventListener('beforeunload', (event) => {
      if (this.#page && unsent(this.saved.now) > 0) event.preventDefault()
    })
    window.addEventListener('pagehide', () => this.#writeUnsent())
    window.addEventListener('pageshow', (event) => {
      if (event.persisted) location.reload()
    })
    window.addEventListener('unhandledrejection', (event) => {
      if (/quota/i.test(String(event.reason))) this.keepsCopy.set(false)
    })
    window.addEventListener('offline', () => this.#link.check())
    window.addEventListener('online', () => this.#link.check())
  }
}
