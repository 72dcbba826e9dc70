import { expect, it } from 'vitest'
import { countWords } from './counts'

it('counts words as people do', () => {
  expect(countWords('')).toBe(0)
  expect(countWords('  a rope, well-made; don’t pull 3.5 times')).toBe(7)
  expect(countWords('été naïve Straße')).toBe(3)
  expect(countWords('日本語 text')).toBe(4)
  expect(countWords('--- *** 💚')).toBe(0)
})
