// VS Code and the page, in the same lines. `ROPEWALK_VSCODE` says where VS Code is.

import assert from 'node:assert/strict'
import { readdirSync } from 'node:fs'
import { after, before, describe, it } from 'node:test'
import { Ropewalk, until } from '../node/harness.js'
import { launch, Visitor } from './harness.js'
import { Code } from './vscode.js'

const FILE = 'ä b/shared.md'

const skip = process.env.ROPEWALK_VSCODE ? false : 'ROPEWALK_VSCODE names no folder with VS Code. npm has code-server, but no registry has the extension of Teamtype: it is built by hand, see README'

describe('VS Code beside the page', { skip }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  for (const [kind, eol] of [['\\n', '\n'], ['\\r\\n', '\r\n']]) {
    it(`has one text with it, where lines end with ${kind}`, async (t) => {
      const server = await Ropewalk.start(t)
      const code = await Code.open(t, browser, server)
      code.write(FILE, ['first ä', 'second 💚', 'third', ''].join(eol))
      await code.show(FILE)
      await until('it is a document', () => server.text(FILE).catch(() => undefined))
      const ann = await Visitor.open(t, browser, server, FILE, 'Ann')
      // An editor that hides carriage returns has all lines end alike, as it writes them.
      const lines = (text) => text?.replaceAll('\r\n', '\n')
      const same = async () => {
        let all
        await until(
          async () => `all have one text: ${JSON.stringify(all)} ${await code.complaints()}`,
          async () => {
            all = [await server.text(FILE), await code.text(FILE), await ann.text(), code.read(FILE)].map(lines)
            return new Set(all).size === 1 && (await ann.state()) === 'saved'
          }
        )
        return all[0]
      }
      await same()
      // In turns, and key by key: the extension loses step where lines change faster than it looks at them.
      const press = async (...keys) => {
        for (const key of keys) {
          await code.keys(key)
          await same()
        }
      }
      const typed = [
        () => code.type('👩‍👩‍👧\tä ('),
        () => ann.type('💛\n\nAnn\t💚'),
        () => press('Control+a', 'Shift+Alt+i', 'z', 'y', 'Enter', 'Escape', 'Escape'),
        () => ann.type('<\n💛\n>', 'Home'),
        () => press('Control+Home', 'ArrowDown', 'Alt+ArrowDown', 'Control+Shift+k'),
        () => ann.type('end'),
        () => press('Control+z', 'Control+z', 'Control+End', 'Backspace', 'Enter', 'x'),
        () => ann.type('Ann, too: ', 'Home')
      ]
      for (const [turn, type] of typed.entries()) {
        const text = await same()
        await type()
        await until(`turn ${turn} is seen`, async () => lines(await server.text(FILE)) !== text)
      }
      await same()

      await server.kill()
      await code.type('Code alone 👩‍👩‍👧\tä 💚')
      await code.keys('Enter')
      await ann.type('Ann alone 💛')
      await until('it is in the file', () => /Code alone 👩‍👩‍👧\tä 💚\r?\n$/.test(code.read(FILE)))
      await server.startAgain()
      const text = await same()
      for (const part of ['👩‍👩‍👧\tä (', 'Ann\t💚', 'Ann, too: ', 'Code alone 👩‍👩‍👧\tä 💚\n', 'Ann alone 💛']) {
        assert.equal(text.split(part).length, 2, `${part} in ${JSON.stringify(text)}`)
      }
      assert.ok(text.split('zy\n').length > 4, `a caret in each line: ${JSON.stringify(text)}`)
      await until('Ann sees who it is', async () => (await ann.people()).join() === 'Code')

      await code.ask("vscode.commands.executeCommand('workbench.action.closeAllEditors').then(() => true)")
      assert.equal(lines(code.read(FILE)), text)
      assert.deepEqual(await code.complaints(), [])
      assert.deepEqual(readdirSync(code.path('ä b')), ['shared.md'])
      ann.assertNoProblems({ cut: true })
    })
  }
})
