// Answers, frame by frame, what Yjs says: `tests/differential/oracle.rs` asks.
//
// A frame is its length in 4 bytes, little-endian, and a body in the encoding of lib0.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import * as Y from 'yjs'
import { account, modernAccount, reader } from './account.js'
import { KINDS } from './edits.js'
import { history } from './history.js'
import { Rng } from './rng.js'

const HISTORIES = 0
const TOLD = 1
const ACCOUNTS = 2

const readList = (from, read) => Array.from({ length: decoding.readVarUint(from) }, () => read(from))
const readUpdates = (from) => readList(from, decoding.readVarUint8Array)

function writeList(to, list, write) {
  encoding.writeVarUint(to, list.length)
  for (const one of list) write(to, one)
}

function writeAccount(to, { waits, vector, deletes, order, read, text, note }) {
  encoding.writeUint8(to, waits ? 1 : 0)
  encoding.writeVarUint8Array(to, vector)
  encoding.writeVarUint8Array(to, deletes)
  for (const string of [order, read, text, note]) encoding.writeVarString(to, string)
}

/** All that is told of some updates: what they come to, and the same in other parcels. */
function writeTold(to, rng, { kinds, updates, states }) {
  const doc = reader(updates)
  const early = rng.below(updates.length + 1)
  const missing = Y.encodeStateAsUpdate(doc, Y.encodeStateVector(reader(updates.slice(0, early))))
  const parcels = []
  for (let left = rng.shuffled(updates); left.length > 0;) {
    parcels.push(Y.mergeUpdates(left.splice(0, 1 + rng.below(6))))
  }
  encoding.writeVarString(to, kinds.join())
  writeList(to, updates, encoding.writeVarUint8Array)
  writeList(to, states, encoding.writeVarUint8Array)
  writeList(to, parcels, encoding.writeVarUint8Array)
  encoding.writeVarUint8Array(to, Y.encodeStateAsUpdate(doc))
  encoding.writeVarUint(to, early)
  encoding.writeVarUint8Array(to, missing)
  writeAccount(to, account(doc))
}

const answers = {
  /** Histories of seeds that follow one another, of some kinds. */
  [HISTORIES] (from, to) {
    const first = decoding.readVarUint(from)
    const count = decoding.readVarUint(from)
    const modern = decoding.readUint8(from) === 1
    const wanted = decoding.readVarString(from)
    const kinds = wanted === '' ? KINDS : wanted.split(',')
    for (const kind of kinds) if (!KINDS.includes(kind)) throw new Error(`no kind ${kind}: there are ${KINDS}`)
    const seeds = Array.from({ length: count }, (_, at) => first + at)
    writeList(to, seeds, (to, seed) => writeTold(to, new Rng(seed), history(seed, kinds, modern)))
  },
  /** The same of updates that are given. */
  [TOLD] (from, to) {
    const seed = decoding.readVarUint(from)
    const kinds = decoding.readVarString(from).split(',')
    writeTold(to, new Rng(seed), { kinds, updates: readUpdates(from), states: [] })
  },
  /** What documents say that read some updates each, or why they could not. */
  [ACCOUNTS] (from, to) {
    const modern = decoding.readUint8(from) === 1
    writeList(to, readList(from, readUpdates), (_, updates) => {
      let said
      try {
        said = modern ? modernAccount(updates) : account(reader(updates))
      } catch (error) {
        encoding.writeUint8(to, 0)
        return encoding.writeVarString(to, error.stack)
      }
      encoding.writeUint8(to, 1)
      writeAccount(to, said)
    })
  }
}

let waiting = Buffer.alloc(0)
for await (const bytes of process.stdin) {
  waiting = waiting.length === 0 ? bytes : Buffer.concat([waiting, bytes])
  while (waiting.length >= 4 && waiting.length >= 4 + waiting.readUint32LE()) {
    const end = 4 + waiting.readUint32LE()
    const from = decoding.createDecoder(waiting.subarray(4, end))
    const to = encoding.createEncoder()
    answers[decoding.readUint8(from)](from, to)
    const body = encoding.toUint8Array(to)
    const length = Buffer.alloc(4)
    length.writeUint32LE(body.length)
    process.stdout.write(Buffer.concat([length, body]))
    waiting = waiting.subarray(end)
  }
}
