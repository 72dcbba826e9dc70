// What the page says about where the text is kept, and that it is true.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Person, Ropewalk, until } from '../node/harness.js'
import { launch, Visitor } from './harness.js'

/** How many updates are in the browser's copy of the only document that it has. */
const written = (page) => page.evaluate(async () => {
  const asked = (request) => new Promise((done, failed) => Object.assign(request, { onsuccess: () => done(request.result), onerror: () => failed(request.error) }))
  const [{ name }] = await indexedDB.databases()
  const database = await asked(indexedDB.open(name))
  const count = await asked(database.transaction('updates').objectStore('updates').count())
  database.close()
  return count
})

describe('saving', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  it('says saved only when the server has it on disk', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'truth')
    for (let i = 0; i < 5; i++) {
      await ann.type(`${i} `)
      await ann.untilState('saving', 'saved')
      await until('saved', async () => /Saved/.test(await ann.stateWords()))
      const shown = await ann.text()
      await server.kill()
      await server.startAgain()
      assert.equal(await server.text('truth'), shown)
      await ann.untilState('saved')
    }
    ann.assertNoProblems({ cut: true })
  })

  it('tells of a killed server, keeps what is typed, and brings it back', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'killed')
    await ann.type('before ')
    await ann.untilState('saved')
    await server.kill()
    await ann.untilState('connecting', 'offline')
    await ann.type('meanwhile ')
    await until('the unsent edits are counted', async () => /unsent/.test(await ann.stateWords()))
    assert.notEqual(await ann.state(), 'saved')
    await ann.untilState('offline')
    await server.startAgain()
    await ann.untilState('saved')
    assert.equal(await server.text('killed'), 'before meanwhile ')
    await ann.type('after')
    await ann.untilState('saved')
    assert.equal(await server.text('killed'), 'before meanwhile after')
    ann.assertNoProblems({ cut: true })
  })

  it('says on a phone that unsent edits are kept and will be sent', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'phone', null, { viewport: { width: 390, height: 760 }, hasTouch: true, isMobile: true })
    await server.kill()
    await ann.untilState('offline')
    await ann.type('meanwhile')
    await until('it is said', async () => /9 unsent edits, kept in this browser until sent/.test(await ann.stateWords()))
    const cut = await ann.page.locator('.state-words').evaluate((e) => e.scrollWidth > e.clientWidth || e.scrollHeight > e.clientHeight)
    assert.ok(!cut, 'all of it is seen')
    ann.assertNoProblems({ cut: true })
  })

  it('says that the server restarts when it says so', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'restart')
    await ann.type('kept')
    await ann.untilState('saved')
    assert.equal(await server.terminate(), 0)
    await ann.untilState('restarting', 'offline')
    await server.startAgain()
    await ann.untilState('saved')
    assert.equal(await ann.text(), 'kept')
    ann.assertNoProblems({ cut: true })
  })

  it('goes offline and back, and merges with what others wrote', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'offline', 'Ann')
    const bob = await new Person(t, server, 'offline').synced()
    bob.text.insert(0, 'middle')
    await ann.untilText('middle')
    await ann.context.setOffline(true)
    await ann.untilState('offline')
    await ann.type('ann ', 'Home')
    await until('the unsent edits are counted', async () => /4 unsent/.test(await ann.stateWords()))
    bob.text.insert(bob.text.length, ' bob')
    await until('the server has his', async () => (await server.text('offline')) === 'middle bob')
    assert.equal(await ann.text(), 'ann middle')
    await ann.context.setOffline(false)
    await ann.untilText('ann middle bob')
    await bob.untilText('ann middle bob')
    await ann.untilState('saved')
    assert.equal(await server.text('offline'), 'ann middle bob')
    ann.assertNoProblems({ cut: true })
  })

  it('keeps offline edits over a reload of the page', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'kept')
    await ann.type('before ')
    await ann.untilState('saved')
    // Only the way to the document is cut: the page itself can be loaded again.
    await ann.context.routeWebSocket(/\/yjs\//, (socket) => socket.close({ code: 1012 }))
    await ann.page.reload()
    await ann.content.waitFor()
    await ann.untilText('before ')
    const before = await written(ann.page)
    await ann.type('unsent')
    await until('counted', async () => /unsent/.test(await ann.stateWords()))
    // A letter whose write has only begun goes with the page.
    await until('written', async () => (await written(ann.page)) >= before + 'unsent'.length)
    ann.page.on('dialog', (dialog) => dialog.accept())
    await ann.page.reload()
    await ann.untilText('before unsent')
    assert.match(await ann.stateWords(), /unsent/)
    assert.equal(await server.text('kept'), 'before ')
    // A window of the same profile whose way is open sends what was left.
    await ann.context.unrouteAll({ behavior: 'ignoreErrors' }).catch(() => {})
    const again = await ann.context.newPage()
    await again.routeWebSocket(/\/yjs\//, (socket) => { socket.connectToServer() })
    await again.goto(`${server.url}/edit/kept`)
    await until('it is sent', async () => (await server.text('kept')) === 'before unsent')
  })

  it('goes on sending when the browser takes its copy away, and says so', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'taken')
    await ann.type('before')
    await ann.untilState('saved')
    await ann.page.evaluate(async () => {
      const [{ name }] = await indexedDB.databases()
      await new Promise((done) => { indexedDB.deleteDatabase(name).onsuccess = done })
    })
    await ann.type(' and after')
    await ann.untilState('saved')
    assert.equal(await server.text('taken'), 'before and after')
    await ann.context.setOffline(true)
    await ann.untilState('offline')
    await ann.type('!')
    await until('it says where that is', async () => /only in this window/.test(await ann.stateWords()))
    ann.assertNoProblems({ cut: true })
  })

  it('warns before a window with unsent edits is closed, and only then', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'warned')
    await ann.type('saved')
    await ann.untilState('saved')
    await server.kill()
    await ann.untilState('connecting', 'offline')
    await ann.type('not saved')
    const warned = ann.page.waitForEvent('dialog')
    await ann.page.close({ runBeforeUnload: true })
    const dialog = await warned
    assert.equal(dialog.type(), 'beforeunload')
    await dialog.dismiss()
    await server.startAgain()
    await ann.untilState('saved')
    const gone = ann.page.waitForEvent('close')
    ann.page.on('dialog', (unexpected) => assert.fail(`warned without need: ${unexpected.type()}`))
    await ann.page.close({ runBeforeUnload: true })
    await gone
    assert.equal(await server.text('warned'), 'savednot saved')
  })

  it('says that a document was deleted, and keeps the words', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'doomed')
    await ann.type('last words')
    await ann.untilState('saved')
    assert.equal((await fetch(`${server.url}/api/documents/doomed`, { method: 'DELETE' })).status, 204)
    await ann.untilState('deleted')
    await ann.page.getByRole('alert').waitFor()
    assert.equal(await ann.text(), 'last words')
    await ann.page.getByRole('button', { name: 'Start it again with this text' }).click()
    await until('it is there again', async () => (await fetch(`${server.url}/api/documents/doomed/text`)).status === 200)
    await ann.untilState('saved')
    assert.equal(await server.text('doomed'), 'last words')
    ann.assertNoProblems({ cut: true })
  })

  it('says that a document was replaced, and sets the words aside', async (t) => {
    const server = await Ropewalk.start(t)
    const api = `${server.url}/api/documents/replaced`
    const ann = await Visitor.open(t, browser, server, 'replaced', 'Ann')
    await ann.type('old words')
    await ann.untilState('saved')
    await ann.context.setOffline(true)
    await server.kill()
    await ann.untilState('offline')
    await ann.type(' and more')
    await server.startAgain()
    assert.equal((await fetch(api, { method: 'DELETE' })).status, 204)
    await server.create('replaced', 'new words')
    await ann.context.setOffline(false)
    await ann.untilState('replaced')
    const notice = ann.page.getByRole('alert')
    await notice.getByText('The server keeps your text beside the document').waitFor()
    assert.equal(await ann.text(), 'old words and more')

    // The page is opened anew, and says the same: the copy in this browser is still that of the old one.
    await ann.page.reload()
    await ann.untilState('replaced')
    assert.equal(await ann.text(), 'old words and more')
    await ann.page.getByRole('button', { name: 'Open it as it is now' }).click()
    await ann.untilText('new words')
    await ann.untilState('saved')
    await ann.type(', typed on')
    await ann.untilState('saved')
    assert.equal(await server.text('replaced'), 'new words, typed on')

    await ann.page.getByTestId('aside').click()
    const dialog = ann.page.getByRole('dialog', { name: 'Set aside' })
    const [download] = await Promise.all([
      ann.page.waitForEvent('download'),
      dialog.getByRole('link', { name: 'Download' }).click()
    ])
    assert.equal(download.suggestedFilename(), 'replaced of Ann.txt')
    assert.equal(await (await fetch(download.url())).text(), 'old words and more')
    await dialog.getByRole('button', { name: 'Forget' }).click()
    await dialog.getByRole('button', { name: 'Really forget it' }).click()
    await ann.page.getByTestId('aside').waitFor({ state: 'detached' })
    assert.deepEqual(await (await fetch(`${api}/strays`)).json(), { strays: [] })
    ann.assertNoProblems({ cut: true })
  })

  it('says that a document is too large, and keeps the words', async (t) => {
    const server = await Ropewalk.start(t, '--max-text-bytes', '2000')
    const ann = await Visitor.open(t, browser, server, 'large')
    await ann.type('small ')
    await ann.untilState('saved')
    await ann.page.evaluate(() => document.querySelector('.cm-content').focus())
    await ann.page.keyboard.insertText('large '.repeat(500))
    await ann.untilState('too-large')
    await ann.page.getByRole('alert').waitFor()
    assert.ok((await ann.text()).includes('large large'))
    assert.equal(await server.text('large'), 'small ')
    ann.assertNoProblems({ cut: true })
  })
})
