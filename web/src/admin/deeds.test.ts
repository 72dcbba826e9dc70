import { expect, it } from 'vitest'
import audit from '../../../server/src/accounts/audit.rs?raw'
import { DEEDS, doer } from './deeds'

const deed = (person: number | null, who: string | null, address: string | null = null) => doer({ id: 1, at_ms: 1, person, who, action: 'shared', about: null, address })

it('is the command line only where no person did it', () => {
  expect(deed(null, 'cli')).toBe('The command line')
  expect(deed(7, 'cli')).toBe('cli')
  expect(deed(7, 'ann', '192.0.2.1')).toBe('ann')
  expect(deed(7, null, '192.0.2.1')).toBe('Somebody')
  expect(deed(null, null, '192.0.2.1')).toBe('Somebody')
  expect(deed(null, null)).toBe('The server')
})

it('has words for all that the server writes, and for nothing else', () => {
  const written = [...audit.matchAll(/^ {4}\w+ = "(\w+)",$/gm)].map(([, word]) => word)
  expect(written.length).toBeGreaterThan(20)
  expect(Object.keys(DEEDS).sort()).toEqual(written.sort())
})
