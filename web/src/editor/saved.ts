/**
 * What may be said about where the text is kept. Pure: events in, state out.
 *
 * Local edits are numbered. The server sends a marker back once everything before it is on disk, so
 * `acked` is the newest edit known to be durable. Nothing here looks at whether a socket is open to
 * decide that something is saved.
 */

export type Kind =
  | 'connecting' | 'offline' | 'saving' | 'saved'
  | 'signed-out' | 'denied' | 'deleted' | 'replaced' | 'too-large' | 'refused'
  | 'held' | 'restarting' | 'trouble'

export type Refusal = 'signed-out' | 'denied' | 'deleted' | 'replaced' | 'too-large' | 'refused'

export interface Saved {
  /** Number of the newest local edit, those of earlier visits included. */
  edits: number
  /** Number of the newest edit when the server was told what this page has, on this connection. */
  told: number
  /** Number of the newest edit the server has on disk. */
  acked: number
  /** `down` once a connection has been missing for longer than a moment. */
  link: 'opening' | 'open' | 'down'
  /** The server has confirmed what it was sent on this connection. */
  confirmed: boolean
  /** Why the link is not open, when the server said so. */
  cause: 'restarting' | 'trouble' | 'busy' | null
  /** Set for good: this connection is not tried again by itself. */
  refusal: Refusal | null
  /** What the server gave as its reason. */
  reason: string
  /** When the server last confirmed the newest edit of this page, in ms since the epoch. */
  savedAt: number | null
  /** The newest edit has waited long for its confirmation. */
  slow: boolean
  /** The document may only be read: the server takes no edits. */
  reading: boolean
}

export type Event =
  | { type: 'edit' }
  | { type: 'told' }
  | { type: 'opened' }
  | { type: 'marker'; edit: number; at: number }
  | { type: 'closed'; code: number; reason: string }
  | { type: 'missed' }
  | { type: 'probed'; answer: 'restarting' | 'trouble' | 'busy' | null }
  | { type: 'slow'; still: boolean }
  | { type: 'access'; mayEdit: boolean }
  | { type: 'retry' }

/** The state of a page that has just been opened with `carried` unsent edits of earlier visits. */
export function begin(carried: number): Saved {
  return {
    edits: carried, told: carried, acked: 0, link: 'opening', confirmed: false, cause: null,
    refusal: null, reason: '', savedAt: null, slow: false, reading: false,
  }
}

export function next(state: Saved, event: Event): Saved {
  switch (event.type) {
    case 'edit':
      return { ...state, edits: state.edits + 1 }
    case 'told':
      return { ...state, told: state.edits }
    case 'opened':
      return { ...state, link: 'open', confirmed: false, slow: false }
    case 'marker': {
      if (state.link !== 'open') return state
      const acked = Math.min(state.edits, Math.max(state.acked, event.edit))
      const savedAt = acked === state.edits && acked > state.acked ? event.at : state.savedAt
      return { ...state, acked, savedAt, confirmed: true, cause: null, slow: false }
    }
    case 'closed': {
      const refusal = refusalOf(event.code)
      if (refusal) return { ...state, link: 'down', confirmed: false, refusal, reason: event.reason, slow: false }
      const link = state.link === 'open' ? 'opening' : state.link
      return { ...state, link, confirmed: false, cause: causeOf(event.code) ?? state.cause, slow: false }
    }
    case 'missed':
      return state.link === 'open' ? state : { ...state, link: 'down', cause: state.cause === 'restarting' ? null : state.cause }
    case 'probed':
      return state.link === 'open' ? state : { ...state, cause: event.answer }
    case 'slow':
      return { ...state, slow: event.still && state.edits > state.acked }
    case 'access':
      return state.reading === !event.mayEdit ? state : { ...state, reading: !event.mayEdit, slow: false }
    case 'retry':
      return { ...state, link: 'opening', refusal: null, reason: '', cause: null }
  }
}

/** Edits that are not known to be on the server's disk. */
export function unsent(state: Saved): number {
  return state.edits - state.acked
}

export function kind(state: Saved): Kind {
  if (state.refusal) return state.refusal
  if (state.link !== 'open' && state.cause) return state.cause === 'restarting' ? 'restarting' : 'trouble'
  if (state.link === 'down') return 'offline'
  if (state.link === 'opening') return 'connecting'
  if (unsent(state) > 0) return state.reading ? 'held' : 'saving'
  return state.confirmed ? 'saved' : 'connecting'
}

function refusalOf(code: number): Refusal | null {
  if (code === 4401) return 'signed-out'
  if (code === 4403) return 'denied'
  if (code === 4404) return 'deleted'
  if (code === 4409) return 'replaced'
  if (code === 4413) return 'too-large'
  return code >= 4400 && code < 4500 ? 'refused' : null
}

function causeOf(code: number): Saved['cause'] {
  if (code === 1011) return 'trouble'
  if (code === 1012) return 'restarting'
  if (code === 1013) return 'busy'
  return null
}
