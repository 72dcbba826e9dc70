/**
 * The connection to the server, and the events that tell the truth about it: local edits are numbered,
 * and a marker (frame type 102) asks the server to say when everything sent before it is on disk. Whoever sends markers
 * is told when saving is slow (frame type 103), and whether the document may only be read (frame type 104).
 */
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import type { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider } from 'y-websocket'
import type { Doc } from 'yjs'
import { readiness } from '../api'
import { encodeName } from '../name'
import type { Value } from '../value'
import { next, unsent, type Event, type Saved } from './saved'

const SYNC = 0
const MARKER = 102
const SLOW = 103
const ACCESS = 104
/** At most one marker in this time. */
const MARKER_MS = 100
/** A connection may be missing for this long before it is called offline. */
const GRACE_MS = 1_500
const RESTART_GRACE_MS = 30_000
/** Unconfirmed for this long is slow; with a silent server as well, the connection is dead. */
const SLOW_MS = 8_000
const PROBE_MS = 4_000

export class Link {
  readonly provider: WebsocketProvider
  /** The state of the server was received on some connection. */
  onSynced: () => void = () => {}
  #connection = 0
  #answered = false
  #exchanged = false
  #limited = false
  #failures = 0
  #probedAt = 0
  #markerTimer = 0
  #markerAt = 0
  #graceTimer = 0
  #slowTimer = 0

  constructor(name: string, doc: Doc, awareness: Awareness, private readonly saved: Value<Saved>) {
    const scheme = location.protocol === 'https:' ? 'wss' : 'ws'
    this.provider = new WebsocketProvider(`${scheme}://${location.host}/yjs`, encodeName(name), doc, {
      awareness,
      connect: false,
      // An edit that came from another tab would be shown here as saved before that tab has sent it.
      disableBc: true,
    })
    // Registered after the provider's own listener: what it reports is already on its way.
    doc.on('update', (_update: Uint8Array, origin: unknown) => {
      if (origin !== this.provider) this.#edited()
    })
    this.#listen()
  }

  connect(): void {
    this.#waitFor(GRACE_MS)
    this.provider.connect()
  }

  /** What was learnt elsewhere, before the connection says it. */
  expect(mayEdit: boolean): void {
    if (this.saved.now.link !== 'open') this.#say({ type: 'access', mayEdit })
  }

  retry(): void {
    this.#say({ type: 'retry' })
    this.connect()
  }

  /** Gives up the socket, which may be dead without knowing it, and opens another. */
  reconnect(): void {
    this.provider.disconnect()
    this.provider.connect()
  }

  /** Asks for a sign of life; without one the socket is given up. */
  check(): void {
    if (!this.provider.wsconnected) return
    const asked = Date.now()
    this.#sendMarker()
    window.setTimeout(() => {
      if (this.provider.wsconnected && this.provider.wsLastMessageReceived < asked) this.reconnect()
    }, GRACE_MS)
  }

  #say(event: Event): void {
    this.saved.set(next(this.saved.now, event))
  }

  #listen(): void {
    const { provider } = this
    const sync = provider.messageHandlers[SYNC]!
    provider.messageHandlers[SYNC] = (encoder, decoder, from, emitSynced, type) => {
      sync(encoder, decoder, from, emitSynced, type)
      // A reply is our answer to the server's step 1. It is sent when this handler returns.
      if (encoding.length(encoder) > 1) {
        this.#answered = true
        this.#say({ type: 'told' })
      }
      queueMicrotask(() => this.#exchange())
    }
    provider.messageHandlers[MARKER] = (_encoder, decoder) => {
      const payload = decoding.createDecoder(decoding.readVarUint8Array(decoder))
      if (decoding.readVarUint(payload) !== this.#connection) return
      if (!this.#limited) this.#say({ type: 'access', mayEdit: true })
      this.#say({ type: 'marker', edit: decoding.readVarUint(payload), at: Date.now() })
      this.#watchSlowness()
    }
    provider.messageHandlers[SLOW] = (_encoder, decoder) => {
      const waited = decoding.readVarUint(decoding.createDecoder(decoding.readVarUint8Array(decoder)))
      this.#say({ type: 'slow', still: waited > 0 })
    }
    provider.messageHandlers[ACCESS] = (_encoder, decoder) => {
      const mayEdit = decoding.readVarUint8Array(decoder)[0] === 1
      this.#limited = !mayEdit
      this.#say({ type: 'access', mayEdit })
      // What was held back is asked for next, and no marker means anything before that is answered.
      if (mayEdit) this.#answered = this.#exchanged = false
      else this.#watchSlowness()
    }
    provider.on('status', ({ status }) => {
      if (status === 'connected') this.#opened()
    })
    provider.on('connection-close', (event) => this.#closed(event))
  }

  #opened(): void {
    this.#connection += 1
    this.#answered = this.#exchanged = this.#limited = false
    this.#failures = 0
  }

  /** Once each side has what the other had, markers mean something on this connection. */
  #exchange(): void {
    if (this.#exchanged || !this.#answered || !this.provider.synced) return
    this.#exchanged = true
    window.clearTimeout(this.#graceTimer)
    this.#say({ type: 'opened' })
    this.#sendMarker()
    this.#watchSlowness()
    this.onSynced()
  }

  #closed(event: CloseEvent | null): void {
    if (!this.provider.wsconnected) this.#failures += 1
    this.#exchanged = false
    window.clearTimeout(this.#slowTimer)
    const was = this.saved.now.link
    this.#say({ type: 'closed', code: event?.code ?? 1006, reason: event?.reason ?? '' })
    if (was === 'open') this.#waitFor(this.saved.now.cause === 'restarting' ? RESTART_GRACE_MS : GRACE_MS)
    if (this.#failures > 1) void this.#probe()
  }

  #waitFor(ms: number): void {
    window.clearTimeout(this.#graceTimer)
    this.#graceTimer = window.setTimeout(() => this.#say({ type: 'missed' }), ms)
  }

  /** A refused upgrade has no code a page can see: ask over HTTP whether the server knows why. */
  async #probe(): Promise<void> {
    if (Date.now() - this.#probedAt < PROBE_MS) return
    this.#probedAt = Date.now()
    try {
      const { ready, reason } = await readiness()
      const stopping = /shut|stop/i.test(reason)
      this.#say({ type: 'probed', answer: ready ? null : stopping ? 'restarting' : 'trouble' })
    } catch {
      if (this.saved.now.cause !== 'restarting') this.#say({ type: 'probed', answer: null })
    }
  }

  #edited(): void {
    this.#say({ type: 'edit' })
    this.#watchSlowness()
    if (this.#markerTimer) return
    const wait = Math.max(0, this.#markerAt + MARKER_MS - Date.now())
    this.#markerTimer = window.setTimeout(() => this.#sendMarker(), wait)
  }

  #sendMarker(): void {
    window.clearTimeout(this.#markerTimer)
    this.#markerTimer = 0
    const { ws } = this.provider
    if (!this.#exchanged || !ws || ws.readyState !== WebSocket.OPEN) return
    this.#markerAt = Date.now()
    const payload = encoding.createEncoder()
    encoding.writeVarUint(payload, this.#connection)
    encoding.writeVarUint(payload, this.saved.now.edits)
    const frame = encoding.createEncoder()
    encoding.writeVarUint(frame, MARKER)
    encoding.writeVarUint8Array(frame, encoding.toUint8Array(payload))
    ws.send(encoding.toUint8Array(frame))
  }

  #watchSlowness(): void {
    window.clearTimeout(this.#slowTimer)
    if (!this.#exchanged || this.saved.now.reading || unsent(this.saved.now) === 0) return
    this.#slowTimer = window.setTimeout(() => {
      this.#say({ type: 'slow', still: true })
      if (Date.now() - this.provider.wsLastMessageReceived > SLOW_MS) this.reconnect()
      else this.#watchSlowness()
    }, SLOW_MS)
  }
}
