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
  next: string | null
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

export async function call(path: string, init: RequestInit = {}): Promise<Response> {
  let response: Response
  try {
    response = await fetch(path, { ...init, cache: 'no-store' })
  } catch (cause) {
    if (init.signal?.aborted) throw cause
    throw new ApiError('unreachable', 'The server cannot be reached.')
  }
  if (response.ok) return response
  const body = (await response.json().catch(() => ({}))) as { code?: string; message?: string }
  const wait = Number(response.headers.get('retry-after')) || 0
  throw new ApiError(body.code ?? 'internal', sentence(body.message) ?? `The server answered ${response.status}.`, wait)
}

/** Sends JSON, and reads JSON where there is an answer. */
export async function send<T>(method: string, path: string, body?: unknown): Promise<T> {
  const init: RequestInit = body === undefined ? { method } : { method, body: JSON.stringify(body), headers: { 'content-type': 'application/json' } }
  const response = await call(path, init)
  return (response.status === 204 ? undefined : await response.json()) as T
}

export interface ListQuery {
  view: 'folder' | 'recent' | 'shared'
  folder?: string
  q?: string
  cursor?: string | null
  limit?: number
  signal?: AbortSignal
}

export async function listDocuments(query: ListQuery): Promise<DocumentPage> {
  const params = new URLSearchParams({ limit: String(query.limit ?? 50) })
  if (query.view !== 'folder') params.set('view', query.view)
  else if (query.folder || !query.q) params.set('folder', query.folder ?? '')
  if (query.q) params.set('q', query.q)
  if (query.cursor) params.set('cursor', query.cursor)
  return (await call(`/api/documents?${params}`, { signal: query.signal })).json()
}

export async function searchTexts(query: { q: string; folder: string; cursor: string | null; signal: AbortSignal }): Promise<{ documents: Found[]; next: string | null; is_complete: boolean }> {
  const params = new URLSearchParams({ q: query.q })
  if (query.folder) params.set('folder', query.folder)
  if (query.cursor) params.set('cursor', query.cursor)
  return (await call(`/api/search?${params}`, { signal: query.signal })).json()
}

export async function describeDocument(name: string): Promise<DocumentEntry> {
  return (await call(apiPath(name))).json()
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
  return ((await (await call(strays(name))).json()) as { strays: Stray[] }).strays
}

export async function forgetStray(name: string, id: number): Promise<void> {
  await call(strayPath(name, id), { method: 'DELETE' })
}

/** Whether the server is ready, and its reason when it is not; throws when it cannot be reached. */
export async function readiness(): Promise<{ ready: boolean; reason: string }> {
  const response = await fetch('/readyz', { cache: 'no-store' })
  const body = (await response.json().catch(() => ({}))) as { reason?: string }
  return { ready: response.ok, reason: body.reason ?? '' }
}
