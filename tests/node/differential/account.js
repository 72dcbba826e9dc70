// What a document says: the same for all who have heard the same.
//
// A reader must delete nothing by itself. Yjs does, when formats in a nested text or in a root that was made a `Y.Text`
// change from outside: it takes away formats that have become redundant, in a transaction of its own (`_needFormattingCleanup`
// in yjs/src/utils/Transaction.js, `cleanupYTextAfterTransaction` in yjs/src/types/YText.js). The replicas that write a history
// do so, and what they delete is part of it. A reader takes the flag back in `afterTransaction`, which Yjs emits right
// before it looks at the flag; and it makes its roots types only after its delete set was read. Yjs 14 has a setting for it.

import * as Y14 from '@y/y'
import * as Y from 'yjs'
import { MIXED, ROOTS } from './edits.js'

/** A document that only reads. */
export function reader(updates) {
  const doc = new Y.Doc({ guid: 'reader' })
  doc.on('afterTransaction', (transaction) => { transaction._needFormattingCleanup = false })
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

/** What the document says. */
export function account(doc) {
  // What needs no types comes before the roots are types.
  return { ...state(doc, Y), read: read(doc) }
}

/** What a document of Yjs 14 says that has read the updates; its types have other methods. */
export function modernAccount(updates) {
  const doc = new Y14.Doc({ guid: 'reader' })
  doc.cleanupFormatting = false
  for (const update of updates) Y14.applyUpdate(doc, update)
  return { ...state(doc, Y14), read: '' }
}

function state(doc, lib) {
  const { store, share } = doc
  const snapshot = lib.encodeSnapshot(lib.createSnapshot(lib.createDeleteSetFromStructStore(store), new Map()))
  const lines = [...share.keys()].sort().map((name) => [JSON.stringify(name), inside(share.get(name), lib)])
  return {
    waits: store.pendingStructs !== null || store.pendingDs !== null,
    vector: lib.encodeStateVector(doc),
    // An update without structs.
    deletes: Uint8Array.from([0, ...snapshot.subarray(0, -1)]),
    order: lines.filter(([, line]) => line !== '').map((line) => line.join(': ')).join('\n'),
    text: text(share.get('text'), lib),
    note: text(share.get('note'), lib)
  }
}

/** Its letters, and U+FFFC for each embedded value or type. Values of lists are nothing in a text. */
function text(type, { ContentString, ContentEmbed, ContentType }) {
  let out = ''
  for (let item = type?._start ?? null; item !== null; item = item.right) {
    if (item.deleted) continue
    if (item.content instanceof ContentString) out += item.content.str
    else if (item.content instanceof ContentEmbed || item.content instanceof ContentType) out += '\ufffc'
  }
  return out
}

/** Every unit in it that has a place, the deleted ones too, in order, and what it holds. */
function inside(type, lib) {
  const keys = [...type._map.keys()].sort().map((key) => {
    const chain = []
    for (let item = type._map.get(key); item !== null; item = item.left) chain.unshift(item)
    return `${JSON.stringify(key)}=${sequence(chain, lib)}`
  })
  const list = []
  for (let item = type._start; item !== null; item = item.right) list.push(item)
  return [...keys, sequence(list, lib)].filter(Boolean).join(' ')
}

function sequence(items, lib) {
  const out = []
  const units = []
  for (const { id, length, deleted, content } of items) {
    const last = units.at(-1)
    if (last && last.client === id.client && last.deleted === deleted && last.end === id.clock) last.end += length
    else units.push({ client: id.client, start: id.clock, end: id.clock + length, deleted })
    if (deleted) continue
    // How letters and values are cut into items is nobody's business.
    if (content instanceof lib.ContentString) {
      if (out.at(-1)?.text) out.at(-1).text += content.str
      else out.push({ text: content.str })
    } else if (content instanceof lib.ContentFormat) out.push(`<${JSON.stringify(content.key)}:${plain(content.value)}>`)
    else if (content instanceof lib.ContentType) out.push(`${written(content)}(${inside(content.type, lib)})`)
    else if (content instanceof lib.ContentDoc) out.push(written(content))
    else for (const value of content.getContent()) out.push(`${content instanceof lib.ContentEmbed ? 'embed ' : ''}${plain(value)}`)
  }
  const ids = units.map(({ client, start, end, deleted }) => `${deleted ? '-' : ''}${client}:${start}+${end - start}`)
  return ids.length === 0 ? '' : `[${ids.join(' ')}] ${out.map((part) => part.text === undefined ? part : JSON.stringify(part.text)).join(' ')}`
}

const TYPES = ['Array', 'Map', 'Text', 'XmlElement', 'XmlFragment', 'XmlHook', 'XmlText']

/** What is on the wire of a type or a document, without what is in it. */
function written(content) {
  const out = []
  content.write({
    writeTypeRef: (ref) => out.push(TYPES[ref]),
    writeKey: (name) => out.push(plain(name)),
    writeString: (guid) => out.push('document', plain(guid)),
    writeAny: (options) => out.push(plain(options))
  })
  return out.join(' ')
}

/** What the methods of the types say. */
function read(doc) {
  const lines = ROOTS.map(([name, Type]) => {
    const type = doc.get(name, Type)
    const json = plain(type.toJSON())
    return `${JSON.stringify(name)}: ${json}${type instanceof Y.Text ? ` ${plain(type.toDelta())}` : ''}`
  })
  lines.push(`mixed: ${plain(doc.get(MIXED, Y.Array).toJSON())}`)
  return lines.join('\n')
}

/** A value as text: every sort of value another one, and keys in order. */
function plain(value) {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return JSON.stringify(value)
  if (typeof value === 'bigint') return `${value}n`
  if (Object.is(value, -0)) return '-0'
  if (typeof value !== 'object') return String(value)
  if (value instanceof Uint8Array) return `bytes(${value.join(' ')})`
  if (value instanceof Y.Doc) return `document(${value.guid} ${plain(value.meta)} ${value.gc} ${value.autoLoad})`
  if (value instanceof Y.AbstractType) return `${value.constructor.name} ${plain(value.toJSON())}`
  if (Array.isArray(value)) return `[${value.map(plain).join()}]`
  return `{${Object.keys(value).sort().map((key) => `${JSON.stringify(key)}:${plain(value[key])}`).join()}}`
}
