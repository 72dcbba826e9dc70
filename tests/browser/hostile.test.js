// Names and texts that are meant to run as scripts, on every page that shows them.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { encode, Ropewalk, until } from '../node/harness.js'
import { addPerson, arriveSignedIn, ask, openMenu } from './accounts.js'
import { launch, Visitor } from './harness.js'

const EVIL = '<img src=x onerror=ran()>'
const DOCUMENT = `${EVIL}/"><script>ran()<%2fscript>/'${EVIL}.md`
const TEXT = `# ${EVIL}\n\nhemp <script>ran()</script> [link](javascript:ran()) ![](x"onerror="ran()) <svg onload=ran()></svg>\n\n`

describe('stored scripts', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  /** Nothing of it has become a part of the page, and nothing has run. */
  const assertInert = async (visitor, where) => {
    const found = await visitor.page.evaluate(() => ({
      ran: window.hasRun === true,
      // A Markdown text may show images; in what runs it is cut down.
      elements: [...document.querySelectorAll('img[src="x"]:not(.preview *), [onerror], [onload], #app script, a[href^="javascript:" i]')].map((element) => element.outerHTML),
    }))
    assert.deepEqual(found, { ran: false, elements: [] }, where)
    // The policy would have stopped a script: that it had to would be a defect, too.
    assert.deepEqual(visitor.problems.filter((problem) => /CSP|Content Security|TrustedHTML|thrown/.test(problem)), [], where)
  }

  const armed = async (visitor) => {
    await visitor.context.addInitScript(() => { window.ran = () => { window.hasRun = true } })
    return visitor
  }

  it('in the names of documents, people, groups, links and tokens are shown as they are', async (t) => {
    const server = await Ropewalk.start(t)
    await addPerson(server, 'ann', { name: EVIL, isAdmin: true })
    await addPerson(server, 'bob', { name: `${EVIL} Bob` })
    const ann = await armed(await arriveSignedIn(t, browser, server, 'ann'))
    const path = `/api/documents/${encode(DOCUMENT)}`
    for (const [method, target, body] of [
      ['PUT', path, TEXT], ['PUT', `/api/documents/${encode(`gone ${EVIL}`)}`, TEXT], ['DELETE', `/api/documents/${encode(`gone ${EVIL}`)}`],
      ['PUT', `${path}/sharing`, { person: 'bob', access: 'edit' }], ['POST', `${path}/links`, { access: 'read' }],
      ['POST', '/api/groups', { name: EVIL }], ['POST', '/api/tokens', { name: EVIL, access: 'read', for: DOCUMENT }],
      ['POST', '/api/invitations', { name: EVIL }],
    ]) {
      const answer = await ask(ann, method, target, body)
      assert.ok(answer.status < 300, `${method} ${target}: ${answer.status} ${answer.text}`)
    }
    const bob = await armed(await arriveSignedIn(t, browser, server, 'bob'))
    await bob.goto(server, DOCUMENT)
    await bob.type('words of Bob')
    await bob.untilState('saved')
    const link = JSON.parse((await ask(ann, 'POST', `${path}/links`, { access: 'edit' })).text).url
    const guest = await armed(await Visitor.arrive(t, browser, { reducedMotion: 'reduce' }))
    await guest.page.goto(new URL(link, server.url).href)
    await guest.content.waitFor()
    await guest.rename(EVIL)
    await guest.type('words of a guest')
    await guest.untilState('saved')

    await ann.goto(server, DOCUMENT)
    await until('Bob is seen by the name that he has', async () => (await ann.people()).includes(`${EVIL} Bob`))
    await until('a guest is seen by the name that they chose', async () => (await ann.people()).includes(`${EVIL} (guest)`))
    await until('their carets are there', async () => (await ann.carets()).length > 1)
    await ann.page.keyboard.press('Alt+p')
    await ann.page.getByText('words of Bob').nth(1).waitFor()
    await assertInert(ann, 'the editor and the preview')
    await ann.page.getByRole('button', { name: 'Share', exact: true }).click()
    await ann.page.getByRole('dialog').getByText(`${EVIL} Bob`).first().waitFor()
    await assertInert(ann, 'the window to share')
    await ann.page.keyboard.press('Escape')
    for (const item of ['People and groups', 'API tokens', 'Name and colour']) {
      await openMenu(ann, item)
      await ann.page.getByRole('dialog').getByText(item === 'Name and colour' ? 'Your colour' : EVIL).first().waitFor()
      if (item === 'People and groups') {
        await ann.page.getByRole('dialog').getByRole('radio', { name: 'Groups' }).check()
        await ann.page.getByTestId('group').filter({ hasText: EVIL }).waitFor()
      }
      await assertInert(ann, item)
      await ann.page.keyboard.press('Escape')
    }
    await until('what was typed is in the index of words', async () => JSON.parse((await ask(ann, 'GET', '/api/search?q=hemp')).text).documents.length > 0)
    for (const [target, shows] of [
      ['/', ann.page.getByTestId('folder').filter({ hasText: EVIL })], ['/recent', ann.page.getByTestId('document').first()],
      ['/trash', ann.page.getByTestId('trashed').filter({ hasText: EVIL })], [`/in/${encode(DOCUMENT.split('/')[0])}`, ann.page.getByTestId('folder').first()],
      ['/?q=hemp', ann.page.getByTestId('found').first()], [`/?q=${encodeURIComponent(EVIL)}`, ann.page.getByTestId('document').first()],
      ['/admin#overview', ann.page.getByRole('heading', { name: 'Storage' })], ['/admin#connections', ann.page.getByTestId('connection').filter({ hasText: EVIL }).first()],
      ['/admin#people', ann.page.getByTestId('person').filter({ hasText: EVIL }).first()], ['/admin#groups', ann.page.getByTestId('group').filter({ hasText: EVIL })],
      ['/admin#log', ann.page.getByTestId('deed').filter({ hasText: EVIL }).first()],
      [`/edit/none#${EVIL}`, ann.content], [`/none/${encodeURIComponent(EVIL)}`, ann.page.getByRole('heading').first()],
    ]) {
      await ann.page.goto('about:blank')
      await ann.page.goto(server.url + target)
      await shows.waitFor()
      await assertInert(ann, target)
    }
    const nobody = await armed(await Visitor.arrive(t, browser))
    for (const target of [`/edit/${encode(DOCUMENT)}`, `/join#${EVIL}`, `/s#${EVIL}`, `/?q=${EVIL}`]) {
      await nobody.page.goto('about:blank')
      await nobody.page.goto(server.url + target)
      await nobody.page.getByRole('heading').first().waitFor()
      await assertInert(nobody, target)
    }
    // What the API shows of it is no page of ours.
    const shown = await ask(ann, 'GET', `${path}/content?format=html`)
    assert.equal(shown.status, 200)
    await ann.page.goto(`${server.url}${path}/content?format=html`)
    assert.equal(await ann.page.evaluate(() => [document.scripts.length, document.images.length, document.cookie].join()), '0,0,')
  })
})
