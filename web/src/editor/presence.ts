/** The other people in the document, in the awareness format that Yjs editors share. */
import type { Awareness } from 'y-protocols/awareness'
import {
  createAbsolutePositionFromRelativePosition, createRelativePositionFromJSON, createRelativePositionFromTypeIndex,
  type Doc, type Text,
} from 'yjs'
import { announce } from '../announce'
import { cleanName, makeWay, me, nearestColor, PALETTE, type Person } from '../person'
import { Value } from '../value'

export interface Peer extends Person {
  client: number
}

/** At most one own cursor in this time: the server takes ten states a second. */
const CURSOR_MS = 110
/** A name is told when its typing pauses. */
const INTRODUCE_MS = 250
/** Who is seen within this time was here before, and keeps their colour. */
const JOINING_MS = 3_000
/** Comings and goings are told together. */
const TELL_MS = 1_200

export class Presence {
  readonly peers = new Value<Peer[]>([])
  readonly following = new Value<number | null>(null)
  #joinedAt = Date.now()
  #introduceTimer = 0
  #cursorTimer = 0
  #cursorAt = 0
  #told = new Map<number, string>()
  #tellTimer = 0

  constructor(readonly awareness: Awareness, private readonly text: Text) {
    this.#introduce()
    me.watch(() => {
      window.clearTimeout(this.#introduceTimer)
      this.#introduceTimer = window.setTimeout(() => this.#introduce(), INTRODUCE_MS)
    })
    awareness.on('change', () => this.#look())
  }

  /** Tells the others where the own selection is, now or a little later. */
  point(selection: () => { anchor: number; head: number }): void {
    if (this.#cursorTimer) return
    const wait = Math.max(0, this.#cursorAt + CURSOR_MS - Date.now())
    this.#cursorTimer = window.setTimeout(() => {
      this.#cursorTimer = 0
      this.#cursorAt = Date.now()
      const { anchor, head } = selection()
      const at = (pos: number) => createRelativePositionFromTypeIndex(this.text, Math.min(pos, this.text.length))
      this.awareness.setLocalStateField('cursor', { anchor: at(anchor), head: at(head) })
    }, wait)
  }

  /** Where a peer's selection is in the text now; null when it is nowhere. */
  selection(client: number): { anchor: number; head: number } | null {
    const cursor = this.awareness.getStates().get(client)?.cursor
    if (!cursor || typeof cursor !== 'object') return null
    const anchor = place(cursor.anchor, this.text)
    const head = place(cursor.head, this.text)
    return anchor === null || head === null ? null : { anchor, head }
  }

  follow(client: number | null): void {
    const peer = this.peers.now.find((p) => p.client === client)
    const was = this.peers.now.find((p) => p.client === this.following.now)
    this.following.set(peer ? peer.client : null)
    if (peer) announce(`Following ${peer.name}. Press Escape to stop.`)
    else if (was) announce(`No longer following ${was.name}.`)
  }

  #introduce(): void {
    const { name, color } = me.now
    const { hex } = PALETTE[color] ?? PALETTE[0]
    this.awareness.setLocalStateField('user', { name, color: hex, colorLight: `${hex}33` })
  }

  #look(): void {
    const peers: Peer[] = []
    for (const [client, state] of this.awareness.getStates()) {
      if (client === this.awareness.clientID) continue
      const user = (state.user ?? {}) as { name?: unknown; color?: unknown }
      peers.push({ client, name: cleanName(user.name), color: nearestColor(user.color, client) })
    }
    // In the order they came, so that nobody's place jumps.
    const before = this.peers.now.map((p) => p.client)
    const place = (peer: Peer) => (before.includes(peer.client) ? before.indexOf(peer.client) : before.length)
    peers.sort((a, b) => place(a) - place(b))
    if (JSON.stringify(peers) === JSON.stringify(this.peers.now)) return
    this.peers.set(peers)
    // Another window of the same person wears the same colour.
    if (Date.now() - this.#joinedAt < JOINING_MS) makeWay(peers.filter((p) => p.name !== me.now.name).map((p) => p.color))
    if (this.following.now !== null && !peers.some((p) => p.client === this.following.now)) this.follow(null)
    window.clearTimeout(this.#tellTimer)
    this.#tellTimer = window.setTimeout(() => this.#tell(), TELL_MS)
  }

  #tell(): void {
    const now = new Map(this.peers.now.map((p) => [p.client, p.name]))
    const came = [...now].filter(([client]) => !this.#told.has(client)).map(([, name]) => name)
    const went = [...this.#told].filter(([client]) => !now.has(client)).map(([, name]) => name)
    this.#told = now
    const say = (names: string[], verb: string) => (names.length > 3 ? `${names.length} people ${verb}.` : `${names.join(', ')} ${verb}.`)
    const words = [came.length ? say(came, 'joined') : '', went.length ? say(went, 'left') : ''].filter(Boolean)
    if (words.length) announce(words.join(' '))
  }
}

/** Anything may stand in a peer's state: what is not a position in this text is no position. */
function place(json: unknown, text: Text): number | null {
  try {
    const found = createAbsolutePositionFromRelativePosition(createRelativePositionFromJSON(json), text.doc as Doc)
    return found && found.type === text ? found.index : null
  } catch {
    return null
  }
}
