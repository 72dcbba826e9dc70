// A client of Ropewalk's text wire. It has no CRDT: the server rebases.
/** One edit that makes `after` of `before`. */
function diff(before, after) {
  const shorter = Math.min(before.length, after.length)
  let [start, end] = [0, 0]
  while (start < shorter && before[start] === after[start]) start += 1
  while (end < shorter - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) }
}

const apply = (text, edits) =>
  [...edits].reverse().reduce((now, { from, to, insert }) => now.slice(0, from) + insert + now.slice(to), text)

// What was edited here and not sent: the text as parts of what was sent (`at`, `length`) and what is new (`text`).
const whole = ({ length }) => (length ? [{ at: 0, length }] : [])
const shown = (parts, sent) => parts.map(({ at, length, text }) => text ?? sent.slice(at, at + length)).join('')

/** The part that begins at an offset. */
function cut(parts, offset) {
  let index = 0
  for (const { at, length, text } of [...parts]) {
    const size = text?.length ?? length
    if (offset <= 0) break
    const halves = text === undefined
      ? [{ at, length: offset }, { at: at + offset, length: length - offset }]
      : [{ text: text.slice(0, offset) }, { text: text.slice(offset) }]
    if (offset < size) parts.splice(index, 1, ...halves)
    ;[offset, index] = [offset - size, index + 1]
  }
  return index
}

/** The parts as edits of what was sent. */
function edited(parts, sent) {
  let [edits, last, insert] = [[], 0, '']
  for (const { at, length, text } of [...parts, { at: sent.length, length: 0 }]) {
    if (text !== undefined) insert += text
    else {
      if (at > last || insert) edits.push({ from: last, to: at, insert })
      ;[last, insert] = [at + length, '']
    }
  }
  return edits
}

/** The parts when others have edited what was sent: what is new here stands before what they inserted there. */
function past(theirs, parts) {
  for (const { from, to, insert } of [...theirs].reverse()) {
    const behind = from + insert.length
    parts = parts.flatMap((part) => {
      if (part.text !== undefined) return [part]
      const [{ at }, end] = [part, part.at + part.length]
      const rest = Math.max(at, to)
      const pieces = [{ at, length: Math.min(end, from) - at }, { at: behind + rest - to, length: end - rest }]
      return pieces.filter(({ length }) => length > 0)
    })
    const next = parts.findIndex(({ at }) => at >= behind)
    if (insert) parts.splice(next < 0 ? parts.length : next, 0, { at: from, length: insert.length })
  }
  return parts
}

/** A text that others edit, too: `onchange` is called when they have, `onrefused` with what was refused. */
export class TextClient {
  text = ''
  onchange = () => {}
  onrefused = () => {}
  #base = ''
  #version
  /** The edit of the base that is not acknowledged, the text with it, and what is new in that. */
  #pending
  #sent = ''
  #parts = []
  #count = 0
  #welcome = false
  constructor(url, { client = crypto.randomUUID(), WebSocket = globalThis.WebSocket } = {}) {
    Object.assign(this, { url, client, WebSocket })
    this.#connect()
  }

  /** Replaces `from..to` by `insert`; offsets are those of JavaScript's strings. */
  edit(from, to, insert) {
    const [first, last] = [cut(this.#parts, from), cut(this.#parts, to)]
    this.#parts.splice(first, last - first, ...(insert ? [{ text: insert }] : []))
    this.text = shown(this.#parts, this.#sent)
    this.#send()
  }

  close() {
    this.closed = true
    this.socket.close()
  }
  /** Whether all that was edited here is on the server's disk. */
  get saved() {
    return this.#welcome && !this.#pending && !edited(this.#parts, this.#sent).length
  }

  #connect() {
    const socket = (this.socket = new this.WebSocket(this.url, 'ropewalk.text.v1'))
    socket.onopen = () => this.#say({ type: 'hello', client: this.client, unit: 'utf16', since: this.#version })
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data))
    socket.onerror = () => {}
    socket.onclose = ({ code }) => {
      this.#welcome = false
      if (code >= 4400 && code < 4500) this.onrefused(`closed with ${code}`)
      else if (!this.closed) setTimeout(() => this.closed || this.#connect(), 100 + 400 * Math.random())
    }
  }

  #say(message) {
    if (this.socket.readyState === 1) this.socket.send(JSON.stringify(message))
  }

  #send() {
    const edits = edited(this.#parts, this.#sent)
    if (!this.#welcome || this.#pending || !edits.length) return
    this.#pending = { id: `${(this.#count += 1)}`, base: this.#version, edits }
    this.#sent = this.text
    this.#parts = whole(this.text)
    this.#say({ type: 'edit', ...this.#pending })
  }

  /** What the server has is `edits` further than what was sent; what is new here stays. */
  #move(edits, version) {
    this.#pending = undefined
    this.#parts = past(edits, this.#parts)
    this.#base = this.#sent = apply(this.#sent, edits)
    this.#version = version
    this.text = shown(this.#parts, this.#sent)
    this.onchange(this.text)
  }

  #hear(message) {
    const { type, version, text, edits = [diff(this.#base, text ?? this.#base)] } = message
    if (type === 'welcome') {
      this.#welcome = true
      if (this.#pending && message.lastAcked !== this.#pending.id) return this.#say({ type: 'edit', ...this.#pending })
      // An edit that had been made is among the edits, here and in what comes after `repeated`.
      this.#move(this.#pending ? [diff(this.#sent, apply(this.#base, edits))] : edits, version)
    } else if (type === 'ack') {
      if (message.repeated) this.#move([diff(this.#sent, this.#base)], this.#version)
      else this.#move(edits, version)
    } else if ((type === 'remote' || type === 'reset') && !this.#pending) this.#move(edits, version)
    else if (type === 'error') {
      this.#move([diff(this.#sent, this.#base)], this.#version)
      this.onrefused(`${message.code}: ${message.message}`)
    } else return
    this.#send()
  }
}
