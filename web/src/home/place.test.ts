import { describe, expect, it } from 'vitest'
import { pathOf, placeAt } from './place'

describe('a place among the documents', () => {
  const at = (path: string) => {
    const [pathname, query] = path.split('?')
    return placeAt({ pathname: pathname!, search: query ? `?${query}` : '' })
  }

  it('has one address, which leads back to it', () => {
    for (const path of ['/', '/?q=two+words', '/in/notes', '/in/notes/2026%20%26%20on', '/in/%F0%9F%92%9A?q=a%26b', '/recent', '/shared', '/trash']) {
      expect(pathOf(at(path)!), path).toBe(path)
    }
    expect(at('/in/a%2Fb')).toEqual(at('/in/a/b'))
  })

  it('is none where no folder can be', () => {
    for (const path of ['/in/', '/in/a//b', '/in/..', '/in/%FF', '/nothing', '/recently']) expect(at(path), path).toBe(null)
  })
})
