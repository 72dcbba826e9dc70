// The editors that people have, as the README connects them.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { encode, Ropewalk, until } from '../node/harness.js'
import { TextClient } from '../node/text-client.js'
import { EDITORS, Pages, Writer } from './editors.js'
import { launch, Visitor } from './harness.js'

/** What the API says of a document. */
async function content(server, name, query) {
  const response = await fetch(`${server.url}/api/documents/${encode(name)}/content?${query}`)
  return response.status === 200 ? response.text() : response.status
}

/** Where an editor keeps its text. */
const root = (editor) => editor === 'Tiptap' ? 'default' : 'text'

/** Until these writers and the server's disk have one text, and that is this. */
async function untilSaved(server, document, writers, wanted) {
  for (const writer of writers) await writer.untilText(wanted)
  const saved = () => content(server, document, `format=text&root=${root(writers[0].editor)}`)
  await until(async () => `saved is ${wanted}: ${await saved()}`, async () => `${await saved()}`.trimEnd() === wanted)
}

describe('editors', { concurrency: 2 }, () => {
  let browser, pages
  before(async () => { [browser, pages] = await Promise.all([launch(), Pages.start()]) })
  after(() => Promise.all([browser.close(), pages.close()]))

  const start = (t) => Ropewalk.start(t, '--allow-origin', pages.origin)

  for (const editor of Object.keys(EDITORS)) {
    it(`${editor} is for several people`, async (t) => {
      const server = await start(t)
      const document = 'für 💚/#1?.md'
      const ann = await Writer.open(t, browser, pages, server, editor, document, 'Ann')
      await ann.type('|')
      await untilSaved(server, document, [ann], '|')
      const bob = await Writer.open(t, browser, pages, server, editor, document, 'Bob')
      await bob.untilText('|')
      await ann.press('Control+Home')
      await bob.press('Control+End')
      await Promise.all([ann.write('Ann writes at the beginning '), bob.write(' Bob writes at the end 💚')])
      await untilSaved(server, document, [ann, bob], 'Ann writes at the beginning | Bob writes at the end 💚')
      await ann.untilCarets('Bob')
      await bob.untilCarets('Ann')

      // Undo is for what was written here, even if others have written since.
      const both = 'Ann writes at the beginning | Bob writes at the end 💚, then this'
      await bob.type(', then this')
      await ann.untilText(both)
      const pressUntil = (key, fits) => until(async () => `${key}: ${await ann.text()}`, async () => {
        await ann.press(key)
        return fits(await ann.text())
      })
      await pressUntil('Control+z', (text) => !text.includes('beginning'))
      assert.match(await ann.text(), /Bob writes at the end 💚, then this$/)
      await pressUntil('Control+Shift+Z', (text) => text === both)
      await untilSaved(server, document, [ann, bob], both)

      await server.kill()
      await Promise.all([ann.type('Ann meanwhile, ', 'Home'), bob.type(', Bob meanwhile', 'End')])
      await server.startAgain()
      const merged = `Ann meanwhile, ${both}, Bob meanwhile`
      await untilSaved(server, document, [ann, bob], merged)

      await bob.page.reload()
      await bob.untilText(merged)
      await bob.type('!')
      await untilSaved(server, document, [ann, bob], `${merged}!`)
      await ann.untilCarets('Bob')
      await bob.visitor.context.close()
      await ann.untilCarets()
      ann.assertNoProblems({ cut: true })
    })
  }

  it('CodeMirror, Monaco, Quill, the page and a client without a CRDT share a text', async (t) => {
    const server = await start(t)
    const name = 'one/text'
    const writers = [
      await Writer.open(t, browser, pages, server, 'CodeMirror', name, 'Ann'),
      await Writer.open(t, browser, pages, server, 'Monaco', name, 'Bob', 'y-sweet'),
      await Writer.open(t, browser, pages, server, 'Quill', name, 'Cy', 'Hocuspocus'),
      await Visitor.open(t, browser, server, name, 'Dan')
    ]
    const [ann, bob, cy, dan] = writers
    const eve = new TextClient(`ws://127.0.0.1:${server.port}/text/${name}`, { WebSocket })
    t.after(() => eve.close())
    const same = async (wanted) => {
      await until(() => `Eve has ${JSON.stringify(wanted)}: ${JSON.stringify(eve.text)}`, () => eve.text === wanted)
      await untilSaved(server, name, writers, wanted)
    }
    await ann.type('Ann\n')
    await bob.untilText('Ann\n')
    await bob.type('Bob ')
    await cy.untilText('Ann\nBob ')
    await cy.type('Cy\n')
    await dan.untilText('Ann\nBob Cy\n')
    await dan.type('Dan 💚 ')
    await until('Eve has it', () => eve.text.endsWith('💚 '))
    eve.edit(eve.text.length, eve.text.length, 'Eve')
    await same('Ann\nBob Cy\nDan 💚 Eve')

    // At once, each at a place of their own, and without the server.
    await server.kill()
    await ann.type('a ', 'Home')
    await bob.press('Control+Home', 'ArrowDown', 'End')
    await bob.write(' b')
    await cy.type(' c', 'End')
    eve.edit(eve.text.indexOf('Cy'), eve.text.indexOf('Cy'), 'e ')
    await server.startAgain()
    await until('all is there', () => /^a .*e .* b\n.* c$/s.test(eve.text))
    await same('a Ann\nBob e Cy b\nDan 💚 Eve c')
    await ann.untilCarets('Cy', 'Dan')
    for (const writer of writers) writer.assertNoProblems({ cut: true })
  })

  for (const [editor, selected, html] of [
    ['Quill', '.ql-cursor-selection-block', '<strong>bo!ld</strong> words<br>\none two three<br>\n'],
    ['Tiptap', '.ProseMirror-yjs-selection', '<p><strong>bo!ld</strong> words</p><ul><li><p>one two three</p></li></ul><p></p>']
  ]) {
    it(`${editor} keeps formats, by Hocuspocus beside y-websocket`, async (t) => {
      const server = await start(t)
      const ann = await Writer.open(t, browser, pages, server, editor, 'rich', 'Ann', 'Hocuspocus')
      const bob = await Writer.open(t, browser, pages, server, editor, 'rich', 'Bob')
      const seen = (writer, element, text) => until(
        async () => `${writer.name} sees ${text} in ${element}: ${await writer.page.locator(writer.input).innerHTML()}`,
        async () => (await writer.text(element)) === text
      )
      await ann.type('bold words\n- one')
      await seen(bob, 'li', 'one')
      const toList = async (writer) => {
        await writer.page.locator('li').click()
        await writer.press('End')
      }
      await ann.press('Control+Home', 'Control+Shift+ArrowRight')
      await bob.page.locator(selected).waitFor()
      await toList(bob)
      await Promise.all([ann.press('Control+b'), bob.write(' two')])
      for (const writer of [ann, bob]) {
        await seen(writer, 'strong', 'bold')
        await seen(writer, 'li', 'one two')
      }
      await bob.press('Control+Home', 'ArrowRight', 'ArrowRight')
      await toList(ann)
      await Promise.all([ann.write(' three'), bob.write('!')])
      const saved = () => content(server, 'rich', `format=html&root=${root(editor)}`)
      const whole = async () => {
        for (const writer of [ann, bob]) {
          await seen(writer, 'strong', 'bo!ld')
          await seen(writer, 'li', 'one two three')
        }
        await ann.untilCarets('Bob')
        await bob.untilCarets('Ann')
        await until(async () => `saved is ${html}: ${await saved()}`, async () => (await saved()) === html)
      }
      await whole()
      await server.kill()
      await server.startAgain()
      await ann.page.reload()
      await ann.untilCarets('Bob')
      await ann.press('Control+End')
      await whole()
      ann.assertNoProblems({ cut: true })
      bob.assertNoProblems({ cut: true })
    })
  }
})
