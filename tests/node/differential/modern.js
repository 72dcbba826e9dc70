// What people with Yjs 14 do to a document. There is one sort of type; those of others keep what they are.

import * as Y from '@y/y'
import { NEEDS, letters } from './edits.js'
import { KEYS, NAMES, attributes, bytes, json, keyed, value, word } from './values.js'

const SORTS = ['array', 'map', 'text', 'xml', 'xml', 'map', 'text']

/** The types that can be edited, and what they are to those who read. */
function types(doc) {
  const found = [...doc.share].map(([name, type]) => ({ type, sort: NEEDS[name] ?? 'text' }))
  for (const { type } of found) {
    const visit = ({ deleted, content }) => {
      if (!deleted && content instanceof Y.ContentType) found.push({ type: content.type, sort: SORTS[content.type._legacyTypeRef] })
    }
    for (let item = type._start; item !== null; item = item.right) visit(item)
    type._map.forEach(visit)
  }
  return found
}

/** One edit somewhere. */
export function edit(rng, doc, kinds) {
  const { type, sort } = rng.pick(types(doc))
  const { length } = type
  if (sort === 'map' || (kinds.has('map') && rng.chance(6))) {
    const key = rng.pick(KEYS)
    if (rng.chance(4)) return type.deleteAttr(key)
    return type.setAttr(key, kinds.has('nested') && rng.chance(4) ? made(rng) : keyed(rng, kinds))
  }
  const units = letters(type, Y)
  const from = offset(rng, units, length, kinds)
  const to = offset(rng, units, Math.min(length, from + 6), kinds)
  if (to > from && rng.chance(4)) return type.delete(from, to - from)
  if (sort === 'xml') return type.insert(from, [made(rng), ...(rng.chance(3) ? [made(rng)] : [])])
  if (sort === 'array') return type.insert(from, values(rng, kinds))
  if (to > from && kinds.has('format') && rng.chance(3)) return type.format(from, to - from, attributes(rng))
  const formats = kinds.has('format') && rng.chance(3) ? attributes(rng) : undefined
  if (kinds.has('embed') && rng.chance(5)) return type.insert(from, [json(rng)], formats)
  type.insert(from, word(rng), formats)
}

function offset(rng, units, end, kinds) {
  const at = rng.below(end + 1)
  const code = units.charCodeAt(at)
  return code >= 0xdc00 && code <= 0xdfff && !kinds.has('halves') ? at - 1 : at
}

function values(rng, kinds) {
  return Array.from({ length: 1 + rng.below(3) }, () => {
    if (kinds.has('nested') && rng.chance(4)) return made(rng)
    return rng.chance(6) ? bytes(rng) : value(rng, kinds)
  })
}

function made(rng) {
  const type = new Y.Type(rng.chance(3) ? null : rng.pick(NAMES))
  if (rng.chance(2)) type.setAttr(rng.pick(KEYS), word(rng))
  if (rng.chance(2)) type.insert(0, [new Y.Type('i')])
  return type
}
