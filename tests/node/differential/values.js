// Values of every sort that the wire knows.

import * as Y from 'yjs'

const PLAIN = ['a', 'bc', 'hello ', '\n', 'é', '女女', '0123456789', ' ', 'zz']
const ASTRAL = ['😀', 'x😀', '😀y😀', '👩‍👩‍👧', '𝒳']

export const KEYS = ['a', 'b', 'c', '', '𝓀', 'text']
export const NAMES = ['p', 'b', 'h1']

/** A word; astral characters are of two units. */
export function word(rng) {
  return rng.chance(4) ? rng.pick(ASTRAL) : rng.pick(PLAIN)
}

const NUMBERS = [0, 1, -1, 63, 64, -64, 127, 128, 2 ** 31 - 1, 2 ** 31, -(2 ** 31), 2 ** 53, 0.5, 0.1, -1e300, Infinity, NaN]

/** A value that may stand by itself in an array. */
export function value(rng, kinds, depth = 2) {
  switch (rng.below(depth > 0 ? 8 : 5)) {
    case 0: return null
    case 1: return rng.chance(2)
    case 2: return kinds.has('number') && rng.chance(4) ? -0 : rng.pick(NUMBERS)
    case 3: return word(rng)
    case 4: return rng.below(1000)
    case 5: return [inner(rng, kinds, depth - 1), inner(rng, kinds, depth - 1)].slice(rng.below(3))
    case 6: return {}
    default: return { [rng.pick(KEYS)]: inner(rng, kinds, depth - 1), n: inner(rng, kinds, depth - 1) }
  }
}

/** A value that may stand within another. */
function inner(rng, kinds, depth) {
  switch (rng.below(8)) {
    case 0: return undefined
    case 1: return kinds.has('number') ? rng.pick([0n, 955n, -(2n ** 63n), 2n ** 60n]) : 1.25
    case 2: return bytes(rng)
    default: return value(rng, kinds, depth)
  }
}

/** A value that may stand at a key of a map. */
export function keyed(rng, kinds) {
  return inner(rng, kinds, 2)
}

export function bytes(rng) {
  return Uint8Array.from({ length: rng.below(5) }, () => rng.below(256))
}

/** A value of JSON, as formats and embeds carry. */
export function json(rng) {
  switch (rng.below(5)) {
    case 0: return { img: word(rng), size: [1, null, { deep: true }] }
    case 1: return rng.below(1000)
    case 2: return [word(rng), 1.5]
    case 3: return rng.chance(2)
    default: return { at: rng.below(3) }
  }
}

/** Formats to be set, or to be taken away. */
export function attributes(rng) {
  const out = {}
  do {
    switch (rng.below(4)) {
      case 0: out.bold = rng.chance(3) ? null : true; break
      case 1: out.colour = rng.pick([null, 'red', 'blue']); break
      case 2: out.link = rng.pick([null, { href: 'a' }, { href: 'b', n: 1 }]); break
      default: out['𝒾'] = rng.pick([null, 1, 2])
    }
  } while (rng.chance(3))
  return out
}

/** A new type with something in it. */
export function type(rng, kinds) {
  const some = []
  if (kinds.has('text')) some.push(() => new Y.Text(rng.chance(2) ? word(rng) : undefined))
  if (kinds.has('array')) some.push(() => Y.Array.from([value(rng, kinds), value(rng, kinds)].slice(rng.below(3))))
  if (kinds.has('map')) some.push(() => new Y.Map(rng.chance(2) ? [] : [[rng.pick(KEYS), keyed(rng, kinds)], ['in', new Y.Map()]]))
  if (kinds.has('xml')) some.push(() => node(rng, kinds))
  return some.length > 0 ? rng.pick(some)() : new Y.Array()
}

/** A new node of XML with something in it. */
export function node(rng, kinds) {
  if (kinds.has('hook') && rng.chance(4)) {
    const hook = new Y.XmlHook(rng.pick(NAMES))
    if (rng.chance(2)) hook.set(rng.pick(KEYS), word(rng))
    return hook
  }
  if (rng.chance(3)) {
    const text = new Y.XmlText(word(rng))
    if (kinds.has('format') && rng.chance(2)) text.format(0, 1, attributes(rng))
    return text
  }
  const element = new Y.XmlElement(rng.pick(NAMES))
  if (rng.chance(2)) element.setAttribute(rng.pick(KEYS), word(rng))
  if (rng.chance(2)) element.insert(0, [rng.chance(2) ? new Y.XmlElement('i') : new Y.XmlText(word(rng))])
  return element
}

let guids = 0

/** Called at the start of a history, so that its subdocuments have the same names every time. */
export function countDocumentsAnew() {
  guids = 0
}

/** A new subdocument. */
export function document(rng) {
  const meta = rng.pick([null, { title: word(rng) }, 5])
  return new Y.Doc({ guid: `d${guids++}`, meta, gc: !rng.chance(3), autoLoad: rng.chance(3) })
}
