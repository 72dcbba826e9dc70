import { afterEach, describe, expect, it, vi } from 'vitest'
import { call, load, patience, readiness } from './api'

afterEach(() => {
  vi.unstubAllGlobals()
  vi.restoreAllMocks()
})

/** A line that brings nothing until it is given up. */
function silent(): AbortController {
  const late = new AbortController()
  vi.spyOn(AbortSignal, 'timeout').mockReturnValue(late.signal)
  vi.stubGlobal('fetch', (_path: string, { signal }: RequestInit) => new Promise((_done, failed) => signal?.addEventListener('abort', () => failed(signal.reason))))
  return late
}

describe('a request', () => {
  it('ends when no answer comes, and says so', async () => {
    const late = silent()
    const asked = call('/api/documents')
    late.abort()
    await expect(asked).rejects.toMatchObject({ code: 'unreachable', message: 'The server does not answer.' })
  })

  it('for a file that is cut short brings none', async () => {
    vi.stubGlobal('fetch', async () => new Response(new ReadableStream({ start: (body) => body.error(new Error('cut')) })))
    await expect(load('POST', '/api/audit.jsonl')).rejects.toMatchObject({ code: 'unreachable' })
    vi.stubGlobal('fetch', async () => new Response('{"code":"not_admin","message":"this is for administrators"}', { status: 403 }))
    await expect(load('POST', '/api/audit.jsonl')).rejects.toMatchObject({ code: 'not_admin', message: 'This is for administrators.' })
  })

  it('ends when an answer begins and does not go on', async () => {
    const late = silent()
    vi.stubGlobal('fetch', async (_path: string, { signal }: RequestInit) => new Response(new ReadableStream({ start: (body) => signal?.addEventListener('abort', () => body.error(signal.reason)) })))
    const asked = call('/api/documents')
    late.abort()
    await expect(asked).rejects.toMatchObject({ code: 'unreachable' })
  })

  it('that is not wanted any more is no failure of the server', async () => {
    silent()
    const wanted = new AbortController()
    const asked = call('/api/documents', { signal: wanted.signal })
    wanted.abort()
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('whether the server is ready ends, too', async () => {
    const late = silent()
    const asked = readiness()
    late.abort()
    await expect(asked).rejects.toMatchObject({ name: 'AbortError' })
  })

  it('has time for what it takes along', () => {
    expect(patience({ method: 'PUT', body: 'x' })).toSatisfy(Number.isInteger)
    expect(patience({})).toBeLessThan(patience({ method: 'DELETE' }))
    expect(patience({ method: 'PUT', body: 'x'.repeat(1 << 20) })).toBeGreaterThan(patience({ method: 'PUT', body: '' }) + 60_000)
  })

  it('has the answer, or the words of the server', async () => {
    const answer = (body: BodyInit | null, init?: ResponseInit) => vi.stubGlobal('fetch', async () => new Response(body, init))
    answer('{"next":null}')
    expect(await call('/api/documents')).toEqual({ next: null })
    answer(null, { status: 204 })
    expect(await call('/api/documents/a', { method: 'DELETE' })).toBeUndefined()
    answer('{"code":"too_many","message":"wait a while"}', { status: 429, headers: { 'retry-after': '7' } })
    await expect(call('/api/search')).rejects.toMatchObject({ code: 'too_many', message: 'Wait a while.', wait: 7 })
    answer('<h1>Bad Gateway</h1>', { status: 502 })
    await expect(call('/api/search')).rejects.toMatchObject({ code: 'internal', message: 'The server answered 502.' })
  })
})
