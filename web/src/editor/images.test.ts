import { describe, expect, it } from 'vitest'
import { isShown } from './images'

const PAGE = 'https://write.example.org/edit/notes/today.md'

describe('an image of a text', () => {
  it('is shown when it is in the text or on this server', () => {
    for (const source of ['data:image/png;base64,AA', 'DATA:image/svg+xml,x', '/logo.png', 'x.png', 'https://write.example.org/logo.png', '/apis/x.png']) expect(isShown(source, PAGE), source).toBe(true)
  })

  it('asks neither another server nor the API', () => {
    const far = ['https://evil.example/x.png', '//evil.example/x.png', 'http://write.example.org/x.png', 'data:text/html,x', 'https://']
    const api = ['/api/audit.jsonl', 'https://write.example.org/api/audit.jsonl', '../../api/x', '/x/../api/x', '\\api\\x', '/a\tpi/x', '/api/x?y#z']
    for (const source of [...far, ...api]) expect(isShown(source, PAGE), source).toBe(false)
  })
})
