import { expect, it } from 'vitest'
import { beginning } from './called'
import cases from './called.json'

it('a name is cut and not what tells it apart', () => {
  for (const [name, room, cut] of cases as [string, number, string][]) expect(beginning(name, room), name).toBe(cut)
})
