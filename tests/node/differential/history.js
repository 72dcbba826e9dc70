// Honest histories: replicas that edit at the same time and hear of one another by chance.

import * as Y14 from '@y/y'
import * as Y13 from 'yjs'
import { define as defineRoots, edit } from './edits.js'
import { edit as modernEdit } from './modern.js'
import { Rng } from './rng.js'
import { countDocumentsAnew } from './values.js'

/** An application with its document; it notes in `log` what it writes. */
class Replica {
  heard = new Set()

  constructor(rng, Y, clients, log, kinds) {
    this.Y = Y
    this.clients = clients
    this.log = log
    this.kinds = kinds
    this.gc = kinds.gc || rng.chance(2)
    this.mixed = rng.pick([Y13.Text, Y13.Array])
    // As an editor that reads what has changed: yjs deletes redundant formats when it does.
    this.looks = rng.chance(3) && Y === Y13
    this.undoes = kinds.has('undo') && !rng.chance(3)
    this.open(rng)
  }

  /** Starts as a page does, with what it knew. */
  open(rng, state) {
    const { Y } = this
    const doc = new Y.Doc({ guid: 'replica', gc: this.gc })
    doc.clientID = this.clients()
    this.doc = doc
    // Its own transactions, and those in which it takes away redundant formats.
    doc.on('update', (update, _origin, _doc, transaction) => {
      if (transaction.local) {
        this.heard.add(this.log.length)
        this.log.push(update)
      }
    })
    const late = rng.chance(4)
    const define = () => defineRoots(doc, this.kinds, Y === Y13 ? this.mixed : undefined)
    if (!late) define()
    if (state) Y.applyUpdate(doc, state, 'state')
    if (late) define()
    if (this.looks) for (const type of doc.share.values()) type.observeDeep((events) => events.forEach((event) => event.delta))
    if (this.undoes) this.manager = new Y.UndoManager([...doc.share.values()], { captureTimeout: 2 ** 40 })
  }

  /** Hears some of what others wrote, in some order. */
  hear(rng, others) {
    const { Y } = this
    if (rng.chance(8)) return this.ask(rng, rng.pick(others))
    const news = [...this.log.keys()].filter((at) => !this.heard.has(at))
    // Mostly in order; what comes too early waits in the document.
    const some = rng.chance(3) ? rng.shuffled(news).slice(0, rng.below(news.length + 1)) : news.slice(0, rng.below(news.length + 1))
    for (const at of some) this.heard.add(at)
    const updates = some.map((at) => this.log[at])
    switch (rng.below(3)) {
      case 0:
        if (updates.length > 0) Y.applyUpdate(this.doc, Y.mergeUpdates(updates), 'heard')
        break
      case 1:
        this.doc.transact(() => updates.forEach((update) => Y.applyUpdate(this.doc, update)), 'heard')
        break
      default:
        for (const update of updates) Y.applyUpdate(this.doc, update, 'heard')
    }
  }

  /** Asks another for all it lacks. */
  ask(rng, other) {
    if (other === this) return
    const vector = rng.chance(4) ? undefined : this.Y.encodeStateVector(this.doc)
    this.Y.applyUpdate(this.doc, other.Y.encodeStateAsUpdate(other.doc, vector), 'asked')
    for (const at of other.heard) this.heard.add(at)
  }

  /** One transaction. */
  write(rng) {
    if (this.manager && rng.chance(4)) {
      if (rng.chance(3)) this.manager.redo()
      else this.manager.undo()
      return
    }
    if (this.manager && rng.chance(2)) this.manager.stopCapturing()
    this.doc.transact(() => {
      for (let left = 1 + rng.below(3); left > 0; left--) this.Y === Y13 ? edit(rng, this.doc, this.kinds) : modernEdit(rng, this.doc, this.kinds)
    })
  }

  /** The page is loaded again: another client, who knows what was saved. */
  restart(rng) {
    const state = this.Y.encodeStateAsUpdate(this.doc)
    this.manager?.destroy()
    this.doc.destroy()
    this.open(rng, state)
  }
}

/** Ids of one size or of all, none twice. */
function clients(rng) {
  const size = rng.below(4)
  const taken = new Set()
  return () => {
    for (;;) {
      const large = rng.below(2 ** 21) * 2 ** 32 + rng.next()
      const id = [1 + rng.below(60), rng.next(), large][size === 3 ? rng.below(3) : size]
      if (!taken.has(id)) {
        taken.add(id)
        return id
      }
    }
  }
}

/** Which kinds are in this history: all that may, or a few of them. */
function some(rng, allowed) {
  let kinds = allowed
  if (rng.chance(3)) kinds = rng.shuffled(kinds).slice(0, 1 + rng.below(4))
  // What not everybody reads, or reads alike, is not in most.
  else if (!rng.chance(3)) kinds = kinds.filter((kind) => !['mixed', 'json', 'halves', 'hook'].includes(kind))
  // What other kinds are made of.
  if (kinds.some((kind) => ['format', 'embed', 'halves'].includes(kind))) kinds = ['text', ...kinds]
  if (kinds.includes('hook')) kinds = ['xml', ...kinds]
  const roots = ['text', 'array', 'map', 'xml']
  if (!kinds.some((kind) => roots.includes(kind))) kinds = [rng.pick(allowed.filter((kind) => roots.includes(kind))), ...kinds]
  return new Set(kinds)
}

/**
 * The updates of a history, one for each transaction, each after all that it depends on; and the state of each replica
 * in the end. With `modern`, every other replica is of Yjs 14.
 */
export function history(seed, allowed, modern) {
  const rng = new Rng(seed)
  countDocumentsAnew()
  const kinds = some(rng, allowed)
  kinds.gc = !rng.chance(6)
  // Most of them write at the same place, and hear little of one another.
  kinds.crowd = rng.chance(10)
  const many = rng.chance(12)
  const count = many ? 6 + rng.below(15) : 2 + rng.below(4)
  const steps = many || rng.chance(8) ? 20 + rng.below(80) : 1 + rng.below(24)
  const log = []
  const ids = clients(rng)
  const replicas = Array.from({ length: count }, (_, at) => new Replica(rng, modern && at % 2 === 1 ? Y14 : Y13, ids, log, kinds))
  const deaf = kinds.crowd ? 20 : 1 + rng.below(6)
  for (let step = 0; step < steps; step++) {
    const replica = rng.pick(replicas)
    if (rng.chance(deaf)) replica.hear(rng, replicas)
    replica.write(rng)
    if (rng.chance(40)) replica.restart(rng)
  }
  // Yjs cuts a letter in half when it looks for an offset within, and may then write nothing there: that replica alone
  // reads two U+FFFD, and so does whoever starts from its state.
  const states = kinds.has('halves') ? [] : replicas.map(({ Y, doc }) => Y.encodeStateAsUpdate(doc))
  for (const { doc, manager } of replicas) {
    manager?.destroy()
    doc.destroy()
  }
  return { kinds: [...kinds], updates: log, states }
}
