import { describe, expect, it } from 'vitest'
import api from '../../server/src/http/openapi.json'
import { apiPath, PARTS, encodeName, ending, nameFromPath, nameProblem, splitName, suggestName, trimName } from './name'

describe('names', () => {
  it('takes paths of any script', () => {
    for (const name of ['a', 'notes/today.md', '日本/💚 ü:*>', '..a/.b', 'x/x/x/x/x/x/x/x', 'ä'.repeat(256)]) {
      expect(nameProblem(name), name).toBeNull()
    }
  })

  it('says why something is not a name', () => {
    for (const name of ['', '/a', 'a/', 'a//b', 'a/./b', '..', 'a\0b', 'a\u0085b', '1/2/3/4/5/6/7/8/9', 'ä'.repeat(257), '\ud800']) {
      expect(nameProblem(name), JSON.stringify(name)).toMatch(/\.$/)
    }
  })

  it('takes no spaces around a part, and nothing made of spaces', () => {
    expect(trimName('  my notes / to do.md ')).toBe('my notes/to do.md')
    for (const name of ['   ', 'a/ ', ' /a', 'a/ /b']) expect(nameProblem(trimName(name)), JSON.stringify(name)).toMatch(/\.$/)
  })

  it('survives the way through a URL', () => {
    for (const name of ['notes/today.md', 'a b/c?d#e%', '日本/💚']) {
      expect(nameFromPath(`/edit/${encodeName(name)}`)).toBe(name)
    }
    expect(nameFromPath('/edit/%ff')).toBeNull()
    expect(nameFromPath('/edit/a%2Fb')).toBe('a/b')
  })

  it('is never taken for a part of another document', () => {
    const parts = Object.keys(api.paths).flatMap((path) => /^\/api\/documents\/\{name\}\/(\w+)/.exec(path)?.[1] ?? [])
    expect([...new Set(parts)].sort()).toEqual(PARTS)
    const paths = ['a/b c', 'text', 'a/text', 'b/a/links/7', 'a/text/b/c'].map((name) => apiPath(name).slice('/api/documents/'.length))
    expect(paths).toEqual(['a/b%20c', 'text', 'a%2Ftext', 'b%2Fa%2Flinks%2F7', 'a/text/b/c'])
  })

  it('finds folders and ending', () => {
    expect(splitName('a/b/c.TXT')).toEqual({ folders: ['a', 'b'], last: 'c.TXT' })
    expect([ending('a/b.RS'), ending('.env'), ending('a.b/c')]).toEqual(['rs', '', ''])
  })

  it('suggests only what it would take', () => {
    for (const at of [0, 0.5, 0.999]) expect(nameProblem(suggestName(() => at))).toBeNull()
  })
})
