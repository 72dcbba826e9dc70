// What people do to a document, by kind.

import * as Y from 'yjs'
import { KEYS, NAMES, attributes, bytes, document, json, keyed, node, type, value, word } from './values.js'

/** What may be in a history. */
export const KINDS = [
  'text', // letters, some of two units
  'halves', // edits between the two units of a letter
  'format',
  'embed',
  'array',
  'number', // numbers that not everybody tells from others: big ones, and -0
  'map',
  'nested', // types within types
  'xml',
  'hook',
  'document', // documents within the document
  'undo',
  'json', // items as Yjs wrote them before version 13, or as others write them
  'mixed' // one root that is a text to some and an array to others
]

/** The roots, and what they are. */
export const ROOTS = [['text', Y.Text], ['note', Y.Text], ['', Y.Array], ['list', Y.Array], ['map', Y.Map], ['xml', Y.XmlFragment]]
/** This one is an array to those who read. */
export const MIXED = 'mixed'

/** The kind that each holds. */
export const NEEDS = { text: 'text', note: 'text', '': 'array', list: 'array', map: 'map', xml: 'xml' }

/**
 * Makes the roots as types, as an application does; `mixed` is what that root is to this replica. Types of Yjs 14 are
 * all of one sort: it has no `mixed`.
 */
export function define(doc, kinds, mixed) {
  for (const [name, Type] of ROOTS) if (kinds.has(NEEDS[name])) doc.get(name, mixed && Type)
  if (kinds.has('mixed')) doc.get(MIXED, mixed)
}

/** The types that can be edited: roots, and what lives within them. */
function types(doc) {
  const found = [...doc.share.values()]
  for (let at = 0; at < found.length; at++) {
    const visit = (item) => {
      if (!item.deleted && item.content instanceof Y.ContentType) found.push(item.content.type)
    }
    for (let item = found[at]._start; item !== null; item = item.right) visit(item)
    found[at]._map.forEach(visit)
  }
  return found
}

/** One edit somewhere. */
export function edit(rng, doc, kinds) {
  const found = types(doc)
  // The root that editors show gets more than its share.
  const target = kinds.has('text') && rng.chance(3) ? doc.share.get('text') : rng.pick(found)
  if (kinds.has('json') && rng.chance(8)) return editItems(rng, doc, target)
  if (target instanceof Y.Text) editText(rng, target, kinds)
  else if (target instanceof Y.Array) editArray(rng, target, kinds)
  else if (target instanceof Y.XmlFragment) editXml(rng, target, kinds)
  else editMap(rng, target, kinds)
}

/** The units of a text, U+FFFC for each that is not a letter. */
export function letters(type, { ContentString } = Y) {
  let out = ''
  for (let item = type._start; item !== null; item = item.right) {
    if (item.deleted || !item.countable) continue
    out += item.content instanceof ContentString ? item.content.str : '\ufffc'.repeat(item.length)
  }
  return out
}

/** An offset of at most `end`: where the others are, in a crowd. Between the two units of a letter only where that is wanted. */
function offset(rng, text, end, kinds) {
  const at = kinds.crowd && !rng.chance(4) ? 0 : rng.below(Math.min(end, text.length) + 1)
  if (kinds.has('halves') && rng.chance(2)) return at
  const code = text.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff ? at - 1 : at
}

function editText(rng, target, kinds) {
  const text = letters(target)
  const from = offset(rng, text, text.length, kinds)
  const to = Math.max(from, offset(rng, text, from + 6, kinds))
  const formats = kinds.has('format')
  switch (rng.below(12)) {
    case 0: case 1: case 2:
      return target.delete(from, to - from)
    case 3: case 4:
      if (formats) return target.format(from, to - from, attributes(rng))
      break
    case 5:
      if (formats) return target.insert(from, word(rng), attributes(rng))
      break
    case 6:
      if (kinds.has('embed')) return target.insertEmbed(from, json(rng), formats && rng.chance(2) ? attributes(rng) : undefined)
      break
    case 7:
      if (kinds.has('nested')) return target.insertEmbed(from, type(rng, kinds))
      break
    case 8:
      if (formats) return target.applyDelta(delta(rng, from, to, kinds))
      break
    case 9:
      if (!kinds.has('map')) break
      return rng.chance(3) ? target.removeAttribute(rng.pick(KEYS)) : target.setAttribute(rng.pick(KEYS), keyed(rng, kinds))
  }
  target.insert(from, word(rng))
}

function delta(rng, from, to, kinds) {
  const steps = [{ insert: word(rng), attributes: attributes(rng) }, { insert: word(rng) }]
  if (kinds.has('embed')) steps.push({ insert: json(rng), attributes: attributes(rng) })
  // One of the two: what follows `to` may be the middle of a letter.
  if (to > from) steps.push(rng.chance(2) ? { delete: to - from } : { retain: to - from, attributes: attributes(rng) })
  return [...(from > 0 ? [{ retain: from }] : []), ...rng.shuffled(steps).slice(0, 2)]
}

function editArray(rng, target, kinds) {
  const { length } = target
  if (length > 0 && rng.chance(3)) {
    const from = rng.below(length)
    return target.delete(from, 1 + rng.below(Math.min(4, length - from)))
  }
  const content = Array.from({ length: 1 + rng.below(3) }, () => {
    if (kinds.has('nested') && rng.chance(4)) return type(rng, kinds)
    if (kinds.has('document') && rng.chance(6)) return document(rng)
    return rng.chance(6) ? bytes(rng) : value(rng, kinds)
  })
  target.insert(kinds.crowd && !rng.chance(4) ? 0 : rng.below(length + 1), content)
}

function editMap(rng, target, kinds) {
  const key = rng.pick(KEYS)
  if (rng.chance(4)) return rng.chance(8) ? target.clear() : target.delete(key)
  if (kinds.has('nested') && rng.chance(3)) return target.set(key, type(rng, kinds))
  if (kinds.has('document') && rng.chance(6)) return target.set(key, document(rng))
  target.set(key, keyed(rng, kinds))
}

function editXml(rng, target, kinds) {
  const { length } = target
  if (target instanceof Y.XmlElement && rng.chance(3)) {
    const name = rng.pick(KEYS)
    return rng.chance(3) ? target.removeAttribute(name) : target.setAttribute(name, rng.chance(2) ? word(rng) : keyed(rng, kinds))
  }
  if (length > 0 && rng.chance(3)) {
    const from = rng.below(length)
    return target.delete(from, 1 + rng.below(Math.min(3, length - from)))
  }
  const content = [node(rng, kinds)]
  if (rng.chance(4)) content.push(new Y.XmlElement(rng.pick(NAMES)))
  target.insert(rng.below(length + 1), content)
}

/** Inserts what no method of today's Yjs inserts, though it reads it. */
function editItems(rng, doc, target) {
  const content = rng.pick([
    () => new Y.ContentJSON([undefined, { old: word(rng) }, null, 'text', 5].slice(rng.below(4))),
    () => new Y.ContentAny([undefined, 5, bytes(rng), word(rng)].slice(rng.below(3))),
    () => new Y.ContentEmbed(rng.pick(['a text', null, '😀'])),
    () => new Y.ContentBinary(bytes(rng))
  ])()
  // Maps have no list, and the readers of XML expect nodes in theirs.
  const key = target instanceof Y.Map || target instanceof Y.XmlFragment || rng.chance(4) ? rng.pick(KEYS) : null
  let left = target._map.get(key) ?? null
  if (key === null) {
    for (let next = target._start; next !== null && !rng.chance(3); next = next.right) left = next
  }
  // Of what stands at a key only the last value is read: several are not written there.
  if (key !== null && content.arr?.length > 1) content.arr.length = 1
  const right = key !== null ? null : left === null ? target._start : left.right
  const id = Y.createID(doc.clientID, Y.getState(doc.store, doc.clientID))
  // As every method does: cached positions do not hold after this.
  if (target._searchMarker) target._searchMarker.length = 0
  Y.transact(doc, (transaction) => {
    new Y.Item(id, left, left && left.lastId, right, right && right.id, target, key, content).integrate(transaction, 0)
  })
}
