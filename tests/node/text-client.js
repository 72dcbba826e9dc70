// A client of Ropewalk's text wire. It has no CRDT: the server rebases.
/** One edit that makes `after` of `before`, and divides no surrogate pair. */
function diff(before, after, start = 0, end = 0) {
  while (start < before.length && before[start] === after[start]) start += 1
  while (end < Math.min(before.length, after.length) - start && before[before.length - 1 - end] === after[after.length - 1 - end]) end += 1
  start -= before.charCodeAt(start - 1) >> 10 === 0x36
  end -= before.charCodeAt(before.length - end) >> 10 === 0x37
  return { from: start, to: before.length - end, insert: after.slice(start, after.length - end) }
}

const apply = (text, edits) =>
  [...edits].reverse().reduce((now, { from, to, insert }) => now.slice(0, from) + insert + now.slice(to), text)

// A text as parts: of another text (`at`, `length`), and what is new in it (`text`).
const whole = ({ length }) => (length ? [{ at: 0, length }] : [])
const shown = (parts, sent) => parts.map(({ at, length, text }) => text ?? sent.slice(at, at + length)).join('')
const slice = ({ at, text }, from, to) =>
  text === undefined ? { at: at + from, length: to - from } : { text: text.slice(from, to) }

/** The part that begins at an offset. */
function cut(parts, offset) {
  for (const [index, part] of parts.entries()) {
    const size = part.text?.length ?? part.length
    if (offset > 0 && offset < size) parts.splice(index, 1, slice(part, 0, offset), slice(part, offset, size))
    if (offset < size) return index + (offset > 0)
    offset -= size
  }
  return parts.length
}

/** Parts of a text that has parts itself. */
const through = (parts, below) =>
  parts.flatMap((part) => (part.text ? [part] : below.slice(cut(below, part.at), cut(below, part.at + part.length))))

/** The parts as edits of what was sent. */
function edited(parts, sent) {
  let [edits, last, insert] = [[], 0, '']
  for (const { at, length, text } of [...parts, { at: sent.length, length: 0 }]) {
    if (text === undefined && (at > last || insert)) edits.push({ from: last, to: at, insert })
    ;[last, insert] = text === undefined ? [at + length, ''] : [last, insert + text]
  }
  return edits
}

/** The parts when others have edited what was sent: what is new here stands before what they inserted there. */
function past(theirs, parts) {
  for (const { from, to, insert } of [...theirs].reverse()) {
    const behind = from + insert.length
    parts = parts.flatMap((part) => {
      if (part.text !== undefined) return [part]
      const [end, rest] = [part.at + part.length, Math.max(part.at, to)]
      const before = { at: part.at, length: Math.min(end, from) - part.at }
      return [before, { at: behind + rest - to, length: end - rest }].filter(({ length }) => length > 0)
    })
    const next = parts.findIndex(({ at }) => at >= behind)
    if (insert) parts.splice(next < 0 ? parts.length : next, 0, { at: from, length: insert.length })
  }
  return parts
}

/** A text that others edit, too: `onchange` is called when they have, `onrefused` with why, and what is not in it any more. */
export class TextClient {
  text = ''
  onchange = () => {}
  onrefused = () => {}
  /** The text at the version; with the edit that is not acknowledged, which are parts of it; and what is here, parts of that. */
  #base = ''
  #version
  #pending
  #sending
  #sent = ''
  #parts = []
  #current = false
  constructor(url, { client = crypto.randomUUID(), WebSocket = globalThis.WebSocket } = {}) {
    Object.assign(this, { url, client, WebSocket }).#connect()
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
  get #unsaved() { return this.#pending || edited(this.#parts, this.#sent).length > 0 }
  /** Whether all that was edited here is on the server's disk. */
  get saved() { return this.#current && !this.#unsaved }

  #connect() {
    const socket = (this.socket = new this.WebSocket(this.url, 'ropewalk.text.v1'))
    socket.onopen = () => this.#say({ type: 'hello', client: this.client, unit: 'utf16', since: this.#version })
    socket.onmessage = ({ data }) => this.#hear(JSON.parse(data))
    socket.onerror = () => {}
    socket.onclose = ({ code }) => {
      this.#current = false
      if (code >= 4400 && code < 4500) this.onrefused(`closed with ${code}`, this.text)
      else if (!this.closed) setTimeout(() => this.closed || this.#connect(), 100 + 400 * Math.random())
    }
  }

  #say = (message) => this.socket.readyState === 1 && this.socket.send(JSON.stringify(message))

  #send() {
    const edits = edited(this.#parts, this.#sent)
    if (!this.#current || this.#pending || !edits.length) return
    this.#pending = { id: crypto.randomUUID(), base: this.#version, edits }
    ;[this.#sending, this.#sent, this.#parts] = [this.#parts, this.text, whole(this.text)]
    this.#say({ type: 'edit', ...this.#pending })
  }

  /** What the server has is `edits` further than what was sent; what is new here stays. */
  #move(edits, version) {
    ;[this.#pending, this.#version, this.#parts] = [undefined, version, past(edits, this.#parts)]
    this.#base = this.#sent = apply(this.#sent, edits)
    this.text = shown(this.#parts, this.#sent)
    this.onchange(this.text)
  }

  #hear(message) {
    const { type, version, text, code } = message
    if (type === 'remote' && !this.#pending && message.prev !== this.#version) return this.socket.close() // What did not come is in the next welcome.
    if (message.replaced || code === 'replaced') {
      if (this.#unsaved) this.onrefused('replaced: this is another document now', this.text)
      ;[this.#base, this.#sent, this.#parts, this.#pending, this.#current] = ['', '', [], undefined, false]
    }
    const edits = message.edits ?? [diff(this.#base, text ?? this.#base)]
    if (text !== undefined || type === 'welcome') this.#current = true
    if (type === 'welcome') {
      if (this.#pending && message.lastAcked !== this.#pending.id) return this.#say({ type: 'edit', ...this.#pending })
      // An edit that had been made is among the edits, here and in what comes after `repeated`.
      this.#move(this.#pending ? [diff(this.#sent, apply(this.#base, edits))] : edits, version)
    } else if (message.repeated) this.#move([diff(this.#sent, this.#base)], this.#version)
    else if (type === 'ack' || (['remote', 'reset'].includes(type) && !this.#pending)) this.#move(edits, version)
    else if (code === 'stale') {
      // What was sent is new again, and goes with the text that comes next.
      const parts = through(this.#parts, this.#sending)
      ;[this.#sent, this.#parts, this.#pending, this.#current] = [this.#base, parts, undefined, false]
    } else if (this.#pending && message.id === this.#pending.id) {
      const refused = this.#pending.edits
      this.#move([diff(this.#sent, this.#base)], this.#version)
      this.onrefused(`${code}: ${message.message}`, refused)
    }
    this.#send()
  }
}
