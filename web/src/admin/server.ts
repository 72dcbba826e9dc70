/** What the server says of itself to who looks after it. */
import { load, send } from '../api'

export interface Status {
  now: number
  started_at: number
  is_ready: boolean
  reason: string | null
  /** Null while storage does not say. */
  documents: { count: number; length: number; longest: { name: string; length: number; edited_at: number }[] } | null
  open_documents: number
  connections: number
  max_connections: number
  storage: {
    database_bytes: number | null
    journal_bytes: number | null
    free_bytes: number | null
    last_commit_at: number | null
    /** Null when there was none, absent when that is not known. */
    last_backup_at?: number | null
    failures: number
    waiting_updates: number
    waiting_bytes: number
  }
  versions: { ropewalk: string; database: number; accounts: number; page: string | null }
}

export interface Connection {
  id: number
  document: string
  wire: string
  /** Null for who has no account. */
  login: string | null
  name: string | null
  by: 'session' | 'api_token' | 'document_token' | 'link'
  address: string | null
  since: number
}

export interface Deed {
  id: number
  at_ms: number
  /** Null where nobody with an account did it. */
  person: number | null
  /** A login, or the word for the command line. */
  who: string | null
  action: string
  about: string | null
  address: string | null
}

export interface Wanted {
  who: string
  action: string
  from: number | null
  to: number | null
}

export const loadStatus = () => send<Status>('GET', '/api/admin/status')
export const loadConnections = () => send<{ connections: Connection[]; count: number }>('GET', '/api/admin/connections')

/** All of the log. That it was asked for is in it, too. */
export const exportLog = () => load('POST', '/api/audit.jsonl')

export function loadDeeds(wanted: Wanted, before: number | null): Promise<{ entries: Deed[]; next: number | null }> {
  const query = new URLSearchParams({ limit: '100' })
  for (const [name, value] of Object.entries({ ...wanted, before })) if (value !== null && value !== '') query.set(name, String(value))
  return send('GET', `/api/audit?${query}`)
}
