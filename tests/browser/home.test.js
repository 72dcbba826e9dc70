// The home page, and what holds for every page.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Ropewalk, until } from '../node/harness.js'
import { assertOnlyRefusals } from './accounts.js'
import { assertAccessible, launch, Visitor } from './harness.js'

/** What comes into sight is there at once, so that it can be looked at. */
const calm = { reducedMotion: 'reduce' }

describe('pages', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  const rows = (visitor) => visitor.page.getByTestId('document').locator('.row-name').allInnerTexts()
    .then((names) => names.map((name) => name.replace(/\s+/g, '')))

  it('begins empty and begins the first document', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.arrive(t, browser)
    // Without accounts nothing is shared with anybody.
    await ann.page.goto(`${server.url}/shared`)
    await ann.page.getByText('No documents yet').waitFor()
    assert.equal(new URL(ann.page.url()).pathname, '/')
    assert.equal(await ann.page.locator('.tab[aria-current]').innerText(), 'Documents')
    await ann.page.getByRole('button', { name: 'New document' }).click()
    await ann.page.getByLabel('Name', { exact: true }).fill('notes/first 💚.md')
    await ann.page.keyboard.press('Enter')
    await ann.content.waitFor()
    assert.equal(new URL(ann.page.url()).pathname, `/edit/notes/${encodeURIComponent('first 💚.md')}`)
    await ann.type('# First')
    await ann.untilState('saved')
    assert.equal(await server.text('notes/first 💚.md'), '# First')
    ann.assertNoProblems()
  })

  it('names a new document just as it is typed', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.arrive(t, browser)
    for (const name of ['main.rs', 'src/main', 'notes.md']) {
      await ann.page.goto(server.url)
      await ann.page.getByRole('button', { name: 'New document' }).click()
      await until('a name is suggested', async () => /^[a-z]+-[a-z]+\.md$/.test(await ann.page.getByLabel('Name', { exact: true }).inputValue()))
      await ann.page.keyboard.type(name)
      await ann.page.keyboard.press('Enter')
      await ann.content.waitFor()
      assert.equal(new URL(ann.page.url()).pathname, `/edit/${name}`)
    }
    ann.assertNoProblems()
  })

  it('refuses a bad name and opens one that exists', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('there', 'words that stay')
    const ann = await Visitor.arrive(t, browser)
    await ann.page.goto(server.url)
    await ann.page.getByRole('button', { name: 'New document' }).click()
    const name = ann.page.getByLabel('Name', { exact: true })
    const create = ann.page.getByRole('button', { name: 'Create', exact: true })
    for (const bad of ['', 'a//b', '..', '/a', '1/2/3/4/5/6/7/8/9', 'x'.repeat(513)]) {
      await name.fill(bad)
      await until(`${bad} is refused`, () => create.isDisabled())
    }
    await name.fill('there')
    await ann.page.keyboard.press('Enter')
    await ann.page.getByRole('button', { name: 'Open it' }).click()
    await ann.content.waitFor()
    assert.equal(await ann.text(), 'words that stay')
  })

  it('lists, searches and deletes, and takes that back', async (t) => {
    const server = await Ropewalk.start(t)
    const made = ['alpha', 'notes/beta.md', 'notes/gamma.md', '<img src=x onerror=alert(1)>']
    for (const name of made) await server.create(name, 'text')
    const ann = await Visitor.arrive(t, browser, calm)
    await ann.page.goto(server.url)
    await until('the top is listed, newest first', async () => (await rows(ann)).join() === '<imgsrc=xonerror=alert(1)>,alpha')
    await ann.page.locator('#search').fill('NOTES')
    await until('only what fits', async () => (await rows(ann)).join() === 'notes/gamma.md,notes/beta.md')
    await ann.page.getByRole('button', { name: 'Delete notes/beta.md' }).click()
    await until('it is gone', async () => (await rows(ann)).join() === 'notes/gamma.md')
    assert.equal((await fetch(`${server.url}/api/documents/notes/beta.md/text`)).status, 410)
    await assertAccessible(ann.page, 'home, after a deletion')
    await ann.page.getByRole('button', { name: 'Undo' }).click()
    await until('it is back', async () => (await rows(ann)).length === 2)
    assert.equal(await server.text('notes/beta.md'), 'text')
    await ann.page.locator('#search').fill('nothing like this')
    await ann.page.getByText('Nothing is found for').waitFor()
    await ann.page.locator('#search').fill('alp')
    await until('one is left', async () => (await rows(ann)).join() === 'alpha')
    await ann.page.keyboard.press('ArrowDown')
    await ann.page.keyboard.press('Enter')
    await ann.content.waitFor()
    assert.equal(await ann.text(), 'text')
    await ann.page.goBack()
    await until('the search is still there', async () => (await rows(ann)).join() === 'alpha' && (await ann.page.locator('#search').inputValue()) === 'alp')
    await ann.page.goBack()
    await until('and is left', async () => (await rows(ann)).length === 2 && (await ann.page.locator('#search').inputValue()) === '')
    ann.assertNoProblems()
  })

  it('has folders that one goes into and out of', async (t) => {
    const server = await Ropewalk.start(t)
    for (const name of ['top', 'a b/one', 'a b/c/two', 'a b/c/three', 'd/four']) await server.create(name, 'text')
    const ann = await Visitor.arrive(t, browser, calm)
    const folders = () => ann.page.getByTestId('folder').locator('.row-name').allInnerTexts()
    const heading = (name) => ann.page.getByRole('heading', { level: 1, name, exact: true }).waitFor()
    await ann.page.goto(server.url)
    await until('the top', async () => (await rows(ann)).join() === 'top' && (await folders()).join() === 'a b,d')
    await ann.page.getByTestId('folder').filter({ hasText: '3 documents' }).getByRole('link').click()
    await heading('a b')
    await until('what is in it', async () => (await rows(ann)).join() === 'one' && (await folders()).join() === 'c')
    assert.equal(new URL(ann.page.url()).pathname, '/in/a%20b')
    await ann.page.getByTestId('folder').getByRole('link').click()
    await heading('c')
    await until('and in that', async () => (await rows(ann)).join() === 'three,two')
    await assertAccessible(ann.page, 'home, in a folder')
    await ann.page.reload()
    await until('it has an address', async () => (await rows(ann)).join() === 'three,two')
    await ann.page.getByRole('button', { name: 'New document' }).click()
    await until('a document of this folder', async () => /^a b\/c\/[a-z]+-[a-z]+\.md$/.test(await ann.page.getByLabel('Name', { exact: true }).inputValue()))
    await ann.page.keyboard.press('Escape')
    await ann.page.getByRole('navigation', { name: 'Folders above' }).getByRole('link', { name: 'a b' }).click()
    await heading('a b')
    await ann.page.goBack()
    await heading('c')
    await ann.page.locator('#search').fill('o')
    await until('only what is below', async () => (await rows(ann)).join() === 'ab/c/two')
    await ann.page.getByRole('link', { name: 'Ropewalk, all documents' }).click()
    await heading('Documents')
    ann.assertNoProblems()
  })

  it('finds words in texts, and shows them', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('story', 'At the end of his Rope there was <b>nothing</b>')
    await server.create('rope.md', 'else')
    const ann = await Visitor.arrive(t, browser, calm)
    await ann.page.goto(server.url)
    const found = ann.page.getByTestId('found')
    await until('it is found', async () => {
      await ann.page.locator('#search').fill('')
      await ann.page.locator('#search').fill('rope noth')
      await ann.page.waitForResponse(/api\/search/)
      return (await found.count()) === 1
    })
    await until('the words are marked', async () => (await found.locator('mark').allInnerTexts()).join() === 'Rope,nothing')
    assert.match(await found.innerText(), /<b>/)
    await ann.page.locator('#search').fill('rope')
    await until('names and texts', async () => (await rows(ann)).join() === 'rope.md' && (await found.count()) === 1)
    await assertAccessible(ann.page, 'home, searched')
    for (const key of ['ArrowDown', 'ArrowDown', 'Enter']) await ann.page.keyboard.press(key)
    await ann.content.waitFor()
    assert.equal(new URL(ann.page.url()).pathname, '/edit/story')
    ann.assertNoProblems()
  })

  it('keeps what is deleted in a trash, from which it comes back or goes for good', async (t) => {
    const server = await Ropewalk.start(t)
    for (const name of ['notes/one.md', 'notes/two.md']) {
      await server.create(name, 'text')
      assert.equal((await fetch(`${server.url}/api/documents/${name}`, { method: 'DELETE' })).status, 204)
    }
    await server.create('notes/one.md', 'another')
    const ann = await Visitor.arrive(t, browser, calm)
    await ann.page.goto(server.url)
    await ann.page.getByRole('link', { name: 'Trash' }).click()
    const trashed = ann.page.getByTestId('trashed')
    await until('both are there', async () => (await trashed.count()) === 2)
    await assertAccessible(ann.page, 'the trash')
    await ann.page.getByRole('button', { name: 'Restore notes/one.md' }).click()
    await ann.page.getByLabel('Bring it back as').waitFor()
    await ann.page.keyboard.press('Enter')
    await until('it is back', async () => (await trashed.count()) === 1)
    assert.equal(await server.text('notes/one (restored).md'), 'text')
    await ann.page.getByRole('button', { name: 'Delete for good: notes/two.md' }).click()
    await ann.page.getByRole('button', { name: 'Really delete for good' }).click()
    await ann.page.getByText('The trash is empty').waitFor()
    await ann.page.getByRole('link', { name: 'Recent' }).click()
    await until('newest edit first', async () => (await rows(ann)).length === 2)
    await ann.page.getByRole('button', { name: 'Delete notes/one.md' }).click()
    await until('it is gone', async () => (await rows(ann)).length === 1)
    assert.equal(await ann.page.evaluate(() => document.activeElement.id), 'place', 'whoever uses the keyboard goes on from where they are')
    assert.equal(await ann.page.getByRole('link', { name: 'Shared with me' }).count(), 0)
    assertOnlyRefusals(ann)
  })

  it('asks where nothing comes back', async (t) => {
    const server = await Ropewalk.start(t, '--trash-days', '0')
    await server.create('alpha', 'text')
    const ann = await Visitor.arrive(t, browser, calm)
    await ann.page.goto(server.url)
    await ann.page.getByRole('button', { name: 'Delete alpha' }).click()
    await assertAccessible(ann.page, 'home, asking before a delete')
    await ann.page.getByRole('button', { name: 'Keep' }).click()
    await ann.page.getByRole('button', { name: 'Delete alpha' }).click()
    await ann.page.getByRole('button', { name: 'Delete', exact: true }).click()
    await ann.page.getByText('No documents yet').waitFor()
    ann.assertNoProblems()
  })

  it('says so when the server is gone, and comes back', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('kept', 'text')
    const ann = await Visitor.arrive(t, browser)
    await ann.page.goto(server.url)
    await until('listed', async () => (await rows(ann)).join() === 'kept')
    await server.kill()
    await ann.page.locator('#search').fill('k')
    await ann.page.getByRole('alert').waitFor()
    await server.startAgain()
    await until('no complaint any more', async () => {
      const again = ann.page.getByRole('button', { name: 'Try again' })
      if (await again.isVisible()) await again.click({ timeout: 1_000 }).catch(() => {})
      return (await ann.page.getByRole('alert').count()) === 0 && (await rows(ann)).join() === 'kept'
    })
    ann.assertNoProblems({ cut: true })
  })

  for (const colorScheme of ['light', 'dark']) {
    it(`keeps nobody out (${colorScheme})`, async (t) => {
      const server = await Ropewalk.start(t)
      const ann = await Visitor.arrive(t, browser, { colorScheme, reducedMotion: 'reduce' })
      await ann.page.goto(server.url)
      await ann.page.getByText('No documents yet').waitFor()
      await assertAccessible(ann.page, 'home, empty')
      await server.create('notes/a.md', '# Title\n\nSome *words*, [a link](https://example.org) and `code`.\n\n- one\n- two')
      await server.create('code.rs', 'fn main() {\n    // say it\n    println!("hello {}", 1 + 2);\n}\n')
      await ann.page.reload()
      await until('listed', async () => (await rows(ann)).length === 1 && (await ann.page.getByTestId('folder').count()) === 1)
      await assertAccessible(ann.page, 'home, with documents')
      await ann.page.getByRole('button', { name: 'New document' }).click()
      await assertAccessible(ann.page, 'home, naming a new document')

      await ann.goto(server, 'code.rs')
      await assertAccessible(ann.page, 'editor, code')
      const bob = await Visitor.open(t, browser, server, 'notes/a.md', 'Bob')
      await ann.goto(server, 'notes/a.md')
      await bob.type(' and Bob')
      await until('Bob is seen', async () => (await ann.people()).join() === 'Bob' && (await ann.carets()).length === 1)
      await ann.page.getByRole('button', { name: 'Preview' }).click()
      await ann.page.getByRole('heading', { name: 'Title', exact: true }).waitFor()
      await assertAccessible(ann.page, 'editor, with a person and the preview')
      await ann.page.getByTestId('me').click()
      await assertAccessible(ann.page, 'editor, changing the name')
      await ann.page.keyboard.press('Escape')
      await server.kill()
      await ann.untilState('offline')
      await assertAccessible(ann.page, 'editor, offline')
      ann.assertNoProblems({ cut: true })
    })
  }

  it('works on a narrow screen', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('a/long/path/to/a document with a long name.md', 'word '.repeat(500))
    const ann = await Visitor.arrive(t, browser, { viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true })
    for (const [path, there] of [
      ['/', ann.page.getByTestId('folder')],
      [`/?q=${'W'.repeat(100)}`, ann.page.getByText('Nothing is found')],
      ['/edit/a/long/path/to/a%20document%20with%20a%20long%20name.md', ann.content],
    ]) {
      await ann.page.goto(server.url + path)
      await there.waitFor()
      const [inside, outside] = await ann.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.ok(inside <= outside, `${path} is ${inside} wide on a screen of ${outside}`)
    }
    await ann.untilState('saved')
    ann.assertNoProblems()
  })

  it('is small at first sight', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('plain', 'text')
    for (const path of ['/', '/edit/plain']) {
      const ann = await Visitor.arrive(t, browser)
      const devtools = await ann.context.newCDPSession(ann.page)
      await devtools.send('Network.enable')
      let bytes = 0
      devtools.on('Network.loadingFinished', ({ encodedDataLength }) => { bytes += encodedDataLength })
      await ann.page.goto(server.url + path)
      if (path === '/') await ann.page.getByTestId('document').waitFor()
      else await ann.untilState('saved')
      assert.ok(bytes > 10_000 && bytes < 200_000, `${path}: ${bytes} bytes`)
    }
  })

  it('says that a part could not be loaded, and loads it when asked to', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.arrive(t, browser)
    const { page } = ann
    for (const [path, part, there] of [
      ['/', 'home', 'text=No documents yet'],
      ['/edit/a', 'page', '.cm-content'],
      // What stands behind the # is taken out of the address, and is still there afterwards.
      ['/join#rwi_gone', 'join', 'text=This invitation does not count any more'],
    ]) {
      const cut = `**/assets/${part}-*.js`
      await page.route(cut, (route) => route.abort())
      await page.goto(server.url + path)
      await page.getByRole('heading', { name: 'This page could not be loaded' }).waitFor()
      await page.unroute(cut)
      await page.getByRole('button', { name: 'Reload' }).click()
      await page.locator(there).first().waitFor()
    }
    assert.equal(new URL(page.url()).hash, '')
  })

  it('has its address line only: a name that is none is said to be none', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.arrive(t, browser)
    for (const path of ['/edit/a//b', '/edit/', '/edit/1/2/3/4/5/6/7/8/9', '/edit', '/nothing/here']) {
      await ann.page.goto(server.url + path)
      await ann.page.getByRole('link', { name: /documents/i }).first().waitFor()
      assert.equal(await ann.page.locator('.cm-content').count(), 0, path)
    }
  })
})
