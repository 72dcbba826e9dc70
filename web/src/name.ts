/** Document names: the server's rules, said in words a person can act on, and their place in a URL. */

export const MAX_BYTES = 512
export const MAX_SEGMENTS = 8

const CONTROL = /\p{Cc}/u

/** The name without the spaces around its parts, which nobody means and nobody sees. */
export function trimName(name: string): string {
  return name.split('/').map((segment) => segment.trim()).join('/')
}

/** Why `name` cannot name a document, or null when it can. */
export function nameProblem(name: string): string | null {
  if (name === '') return 'Give it a name.'
  if (!name.isWellFormed()) return 'A name cannot hold half a character.'
  const bytes = new TextEncoder().encode(name).length
  if (bytes > MAX_BYTES) return `That is ${bytes - MAX_BYTES} bytes too long; a name has at most ${MAX_BYTES}.`
  const segments = name.split('/')
  if (segments.length > MAX_SEGMENTS) return `At most ${MAX_SEGMENTS} parts; this one has ${segments.length}.`
  if (segments.includes('')) return 'Something is missing before or after a slash.'
  if (segments.some((s) => s === '.' || s === '..')) return '“.” and “..” cannot be parts of a name.'
  if (CONTROL.test(name)) return 'A name cannot hold control characters.'
  return null
}

/** The name as the tail of a URL: each segment encoded by itself. */
export function encodeName(name: string): string {
  return name.split('/').map(encodeURIComponent).join('/')
}

/** What the API has of a document, behind its name. */
export const PARTS = ['append', 'authors', 'changes', 'content', 'links', 'sharing', 'strays', 'text']

/** The document in the API. A name that ends like a part of another document has its slashes encoded, which some proxies do not let through. */
export function apiPath(name: string): string {
  const path = encodeName(name)
  const isLikePart = name.split('/').slice(-2).some((end) => PARTS.includes(end))
  return `/api/documents/${isLikePart ? path.replaceAll('/', '%2F') : path}`
}

/** The address of the page that edits `name`. */
export function editPath(name: string): string {
  return `/edit/${encodeName(name)}`
}

/** The name in an `/edit/…` path, or null when it does not decode. */
export function nameFromPath(pathname: string): string | null {
  try {
    return decodeURIComponent(pathname.slice('/edit/'.length))
  } catch {
    return null
  }
}

/** Folders and the last part. */
export function splitName(name: string): { folders: string[]; last: string } {
  const segments = name.split('/')
  return { folders: segments.slice(0, -1), last: segments.at(-1) ?? '' }
}

/** The ending of the last part, lower case and without the dot; empty when there is none. */
export function ending(name: string): string {
  const { last } = splitName(name)
  const dot = last.lastIndexOf('.')
  return dot > 0 ? last.slice(dot + 1).toLowerCase() : ''
}

const FIRST = ['quiet', 'early', 'amber', 'open', 'plain', 'brisk', 'clear', 'level', 'north', 'silver', 'even', 'salt']
const SECOND = ['harbour', 'meadow', 'lantern', 'river', 'hemp', 'anchor', 'orchard', 'signal', 'ledger', 'tide', 'compass', 'sail']

/** A pleasant name nobody has to think about. */
export function suggestName(random: () => number = Math.random): string {
  const pick = (from: string[]) => from[Math.floor(random() * from.length)]!
  return `${pick(FIRST)}-${pick(SECOND)}.md`
}
