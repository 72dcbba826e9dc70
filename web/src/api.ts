/** The server's HTTP API. */
import { apiPath } from './name'

/** What somebody may do with a document; each includes those before it. */
export type Access = 'read' | 'comment' | 'edit' | 'own'

export interface DocumentEntry {
  name: string
  /** What whoever asks may do with it. */
  access: Access
  /** UTF-16 units of text. */
  length: number
  created_at: number
  edited_at: number
  /** Connections now. */
  people: number
  /** When whoever asks was there last; only of what they visited. */
  visited_at?: number
}

/** A folder with something in it. */
export interface FolderEntry {
  path: string
  /** Documents at any depth. */
  documents: number
  edited_at: number
}

/** A document with the places where something was found in its text. */
export interface Found extends DocumentEntry {
  snippets: { text: string; hit?: boolean }[][]
}

export interface DocumentPage {
  documents: DocumentEntry[]
  folders?: FolderEntry[]
  /** Of a folder, on its first page: whoever asks may begin a document there. */
  may_begin?: boolean
  next: string | null
  /** Why some cannot be listed, for whoever owns everything. */
  damaged?: { id: number; why: string }[]
}

/** What went wrong; `code` is the server's, or `unreachable`. */
export class ApiError extends Error {
  /** `wait` is for how many seconds the server wants to hear nothing. */
  constructor(readonly code: string, message: string, readonly wait = 0) {
    super(message)
  }
}

/** Any failure as one that can be shown. */
export function asApiError(error: unknown): ApiError {
  return error instanceof ApiError ? error : new ApiError('internal', 'Something went wrong on this page.')
}

/** The server's words are made to stand after others; here they stand alone. */
function sentence(words: string | undefined): string | undefined {
  return words && words[0]!.toUpperCase() + words.slice(1) + (/[.!?]$/.test(words) ? '' : '.')
}

/** How long an answer may take. What changes something may be done although nobody hears of it: that is waited for longer. */
const READ_MS = 20_000
const CHANGE_MS = 60_000
/** What even a slow line takes in a millisecond, in bytes. */
const SLOWEST = 8

/** A line that takes everything and brings nothing fails nobody for minutes. */
export function patience({ method = 'GET', body }: RequestInit): number {
  return method === 'GET' ? READ_MS : CHANGE_MS + (typeof body === 'string' ? Math.ceil(body.length / SLOWEST) : 0)
}

function parsed(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return null
  }
}

/** Asks the server, and reads JSON where there is an answer. */
export async function call<T = void>(path: string, init: RequestInit = {}): Promise<T> {
  const late = AbortSignal.timeout(patience(init))
  const signal = init.signal ? AbortSignal.any([init.signal, late]) : late
  let response: Response
  let text: string
  try {
    response = await fetch(path, { ...init, signal, cache: 'no-store' })
    text = await response.text()
  } catch (cause) {
    if (init.signal?.aborted) throw cause
    throw new ApiError('unreachable', late.aborted ? 'The server does not answer.' : 'The server cannot be reached.')
  }
  if (response.ok) return (text === '' ? undefined : JSON.parse(text)) as T
  throw refusal(response, text)
}

/** Asks for a file, however long that takes. */
export async function load(method: string, path: string): Promise<Blob> {
  try {
    const response = await fetch(path, { method, cache: 'no-store' })
    if (!response.ok) throw refusal(response, await response.text())
    return await response.blob()
  } catch (cause) {
    throw cause instanceof ApiError ? cause : new ApiError('unreachable', 'The server cannot be reached.')
  }
}

function refusal(response: Response, text: string): ApiError {
  const { code = 'internal', message } = (parsed(text) ?? {}) as { code?: string; message?: string }
  const wait = Number(response.headers.get('retry-after')) || 0
  return new ApiError(code, sentence(message) ?? `The server answered ${response.status}.`, wait)
}

/** Sends JSON. */
export function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  return call(path, body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } })
}

export interface ListQuery {
  view: 'folder' | 'recent' | 'shared'
  folder?: string
  q?: string
  cursor?: string | null
  limit?: number
  signal?: AbortSignal
}

export function listDocuments(query: ListQuery): Promise<DocumentPage> {
  const params = new URLSearchParams({ limit: String(query.limit ?? 50) })
  if (query.view !== 'folder') params.set('view', query.view)
  else if (query.folder || !query.q) params.set('folder', query.folder ?? '')
  if (query.q) params.set('q', query.q)
  if (query.cursor) params.set('cursor', query.cursor)
  return call(`/api/documents?${params}`, { signal: query.signal })
}

export function searchTexts(query: { q: string; folder: string; cursor: string | null; limit?: number; signal: AbortSignal }): Promise<{ documents: Found[]; next: string | null; is_complete: boolean }> {
  const params = new URLSearchParams({ q: query.q })
  if (query.folder) params.set('folder', query.folder)
  if (query.cursor) params.set('cursor', query.cursor)
  if (query.limit) params.set('limit', String(query.limit))
  return call(`/api/search?${params}`, { signal: query.signal })
}

export function describeDocument(name: string): Promise<DocumentEntry> {
  return call(apiPath(name))
}

export async function createDocument(name: string, text = ''): Promise<void> {
  await call(apiPath(name), { method: 'PUT', body: text, headers: { 'content-type': 'text/plain; charset=utf-8' } })
}

export async function deleteDocument(name: string): Promise<void> {
  await call(apiPath(name), { method: 'DELETE' })
}

/** What somebody had of a document that the name does not stand for any more. */
export interface Stray {
  id: number
  at: number
  /** The name its author went by. */
  by: string
  bytes: number
}

const strays = (name: string) => `${apiPath(name)}/strays`

/** Where its text is. */
export const strayPath = (name: string, id: number) => `${strays(name)}/${id}`

export async function listStrays(name: string): Promise<Stray[]> {
  return (await call<{ strays: Stray[] }>(strays(name))).strays
}

export async function forgetStray(name: string, id: number): Promise<void> {
  await call(strayPath(name, id), { method: 'DELETE' })
}

/** Whether the server is ready, and its reason when it is not; throws when it cannot be reached. */
export async function readiness(): Promise<{ ready: boolean; reason: string }> {
  const response = await fetch('/readyz', { cache: 'no-store', signal: AbortSignal.timeout(READ_MS) })
  const body = (await response.json().catch(() => ({}))) as { reason?: string }
  return { ready: response.ok, reason: body.reason ?? '' }
}
