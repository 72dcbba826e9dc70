// Signing in with the accounts of a real provider of OpenID Connect, in the page.

import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, it } from 'node:test'
import { until } from '../node/harness.js'
import { realIssuer, startWith } from '../node/issuer.js'
import { addPerson, arriveSignedIn, ask, assertOnlyRefusals, disable, invitation, openMenu, PASSWORD, signIn } from './accounts.js'
import { assertAccessible, launch, Visitor } from './harness.js'

const calm = { reducedMotion: 'reduce' }
const BUTTON = { name: 'Sign in with Harbour' }

describe('accounts of another system', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  const start = async (t, people, ...args) => {
    const { server, issuer } = await startWith(t, (back) => realIssuer(t, people, back), ...args)
    await addPerson(server, 'ann', { name: 'Ann Archer', isAdmin: true })
    return { server, issuer }
  }

  /** Somebody whose browser fetches nothing from elsewhere, as pages of the provider would. */
  const somebody = async (t, options = calm) => {
    const visitor = await Visitor.arrive(t, browser, options)
    await visitor.context.route((url) => url.hostname !== '127.0.0.1', (route) => route.abort())
    return visitor
  }

  /** What the provider asks for on pages of its own. */
  const signInThere = async ({ page }, issuer, login) => {
    await page.waitForURL(`${issuer.url}/**`)
    await page.locator('input[name=login]').fill(login)
    await page.locator('input[name=password]').fill('x')
    await page.locator('button[type=submit]').click()
  }

  /** What goes wrong on our pages. */
  const assertOwnFine = (visitor, server) => {
    visitor.problems = visitor.problems.filter((problem) => problem.includes(server.url))
    assertOnlyRefusals(visitor)
  }

  const arrive = async (t, server, issuer, login, path = '/') => {
    const visitor = await somebody(t)
    await visitor.page.goto(server.url + path)
    await visitor.page.getByRole('button', BUTTON).click()
    await signInThere(visitor, issuer, login)
    await visitor.page.waitForURL(`${server.url}/**`)
    return visitor
  }
  const atHome = ({ page }) => page.getByRole('heading', { name: 'Documents', exact: true }).waitFor()
  const complaint = ({ page }) => page.getByRole('alert').filter({ hasText: /./ }).innerText()
  const session = async (visitor) => JSON.parse((await ask(visitor, 'GET', '/api/session')).text)
  /** The names of the groups that somebody is in. */
  const groupsOf = async (admin, login) => {
    const { groups } = JSON.parse((await ask(admin, 'GET', '/api/groups')).text)
    return groups.filter(({ members }) => members.some((member) => member.login === login)).map(({ name }) => name).sort()
  }

  it('lead to where one wanted to be, and back out', async (t) => {
    const people = { zoe: { name: 'Zoe Zander', preferred_username: 'Zoe.Z' } }
    const { server, issuer } = await start(t, people, '--oidc-new-people', 'everyone')
    const ann = await arriveSignedIn(t, browser, server, 'ann')
    assert.equal((await ask(ann, 'PUT', '/api/documents/team/plan.md', 'words')).status, 201)
    assert.equal((await ask(ann, 'PUT', '/api/documents/team/plan.md/sharing', { everyone: true, access: 'edit' })).status, 200)

    const zoe = await somebody(t)
    await zoe.page.goto(`${server.url}/edit/team/plan.md`)
    await zoe.page.getByRole('button', BUTTON).waitFor()
    await assertAccessible(zoe.page, 'two ways to sign in')
    await zoe.page.getByRole('button', BUTTON).click()
    await signInThere(zoe, issuer, 'zoe')
    await zoe.untilText('words')
    assert.equal(zoe.page.url(), `${server.url}/edit/team/plan.md`)
    await zoe.page.getByTestId('me').click()
    const menu = zoe.page.getByRole('menu')
    await menu.getByText('Zoe Zander').waitFor()
    await menu.getByText('zoe.z', { exact: true }).waitFor()
    await zoe.page.getByRole('menuitem', { name: 'Sign out' }).click()
    // The provider remembers: no form there this time.
    await zoe.page.getByRole('button', BUTTON).click()
    await atHome(zoe)
    assert.equal((await session(zoe)).person.login, 'zoe.z')

    // Whoever has the same name is somebody else.
    people.eve = { name: 'Zoe Zander', preferred_username: 'zoe.z' }
    const eve = await arrive(t, server, issuer, 'eve')
    await atHome(eve)
    assert.equal((await session(eve)).person.login, 'zoe.z-2')
  })

  it('give the groups of there, as the README sets it up, and take them back', async (t) => {
    const people = { zoe: { name: 'Zoe', preferred_username: 'zoe', groups: ['staff', 'it'] }, eve: { name: 'Eve', preferred_username: 'eve', groups: ['visitors'] } }
    const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const [, settings] = readme.match(/^```toml\n([^`]*^oidc_issuer[^`]*)^```/m)
    const folder = mkdtempSync(join(tmpdir(), 'ropewalk-oidc-'))
    t.after(() => rmSync(folder, { recursive: true, force: true }))
    const file = join(folder, 'ropewalk.toml')
    // What stands in flags goes before.
    writeFileSync(file, settings)
    const { server, issuer } = await start(t, people, '--config', file)
    const ann = await arriveSignedIn(t, browser, server, 'ann')

    const zoe = await arrive(t, server, issuer, 'zoe')
    await atHome(zoe)
    assert.equal((await session(zoe)).person.is_admin, true)
    assert.deepEqual(await groupsOf(ann, 'zoe'), ['Editors'])
    const { id } = JSON.parse((await ask(ann, 'POST', '/api/groups', { name: 'By hand' })).text)
    assert.equal((await ask(ann, 'PUT', `/api/groups/${id}/members/zoe`)).status, 204)

    people.zoe.groups = ['design']
    await openMenu(zoe, 'Sign out')
    await zoe.page.getByRole('button', BUTTON).click()
    await atHome(zoe)
    assert.equal((await session(zoe)).person.is_admin, false)
    assert.deepEqual(await groupsOf(ann, 'zoe'), ['By hand', 'Designers'])

    // Nobody of the team.
    const eve = await arrive(t, server, issuer, 'eve')
    assert.match(await complaint(eve), /Harbour knows you, but there is no account for you here/)
    assert.equal(eve.page.url(), `${server.url}/`)
    await assertAccessible(eve.page, 'not invited')
    await eve.page.goto(server.url + invitation(server, 'eve-here'))
    await eve.page.getByRole('button', BUTTON).click()
    await atHome(eve)
    assert.equal((await session(eve)).person.login, 'eve-here')
    assertOwnFine(eve, server)
  })

  it('say why nobody was signed in', async (t) => {
    const people = { zoe: { name: 'Zoe', preferred_username: 'zoe' } }
    const { server, issuer } = await start(t, people, '--oidc-new-people', 'everyone')
    const zoe = await somebody(t)
    await zoe.page.goto(`${server.url}/edit/plan.md`)
    await zoe.page.getByRole('button', BUTTON).click()
    await zoe.page.waitForURL(`${issuer.url}/**`)
    await zoe.page.getByText('Cancel').click()
    await zoe.page.waitForURL(`${server.url}/**`)
    assert.match(await complaint(zoe), /refused or cancelled/)
    assert.equal(zoe.page.url(), `${server.url}/edit/plan.md`)
    // It is told once.
    await zoe.page.reload()
    await zoe.page.getByRole('button', BUTTON).waitFor()
    assert.equal(await zoe.page.getByRole('alert').filter({ hasText: /./ }).count(), 0)

    // Two tabs of one browser.
    const other = await zoe.context.newPage()
    await other.goto(server.url)
    await other.getByRole('button', BUTTON).click()
    await zoe.page.getByRole('button', BUTTON).click()
    await signInThere({ page: other }, issuer, 'zoe')
    await atHome({ page: other })
    await signInThere(zoe, issuer, 'zoe')
    await zoe.page.waitForURL(`${server.url}/edit/plan.md`)
    assert.equal((await session(zoe)).person.login, 'zoe')

    disable(server, 'zoe')
    await until('zoe is out', async () => (await session(zoe)).state === 'signed_out')
    await other.goto(server.url)
    await other.getByRole('button', BUTTON).click()
    await other.waitForURL(`${server.url}/**`)
    assert.match(await complaint({ page: other }), /Your account is disabled/)

    // A provider that is gone keeps nobody else out.
    await issuer.stop()
    await server.terminate()
    await server.startAgain()
    await other.reload()
    await other.getByRole('button', BUTTON).click()
    assert.match(await complaint({ page: other }), /does not answer now/)
    await assertAccessible(other, 'a provider that does not answer')
    await signIn({ page: other }, 'ann')
    await atHome({ page: other })
  })

  it('are linked to an account by whoever has it', async (t) => {
    const people = { zoe: { name: 'Somebody', preferred_username: 'ann' } }
    const { server, issuer } = await start(t, people)
    const ann = await arriveSignedIn(t, browser, server, 'ann')
    await openMenu(ann, BUTTON.name)
    const dialog = ann.page.getByRole('dialog')
    await dialog.getByRole('button', BUTTON).waitFor()
    await assertAccessible(ann.page, 'not linked')
    const password = dialog.getByLabel('Your password here', { exact: true })
    await password.fill('somebody else at this browser')
    await dialog.getByRole('button', BUTTON).click()
    await dialog.getByText('this is not your password').waitFor()
    await password.fill(PASSWORD)
    await dialog.getByRole('button', BUTTON).click()
    await signInThere(ann, issuer, 'zoe')
    await ann.page.waitForURL(`${server.url}/`)
    await atHome(ann)
    assert.deepEqual((await session(ann)).person.login, 'ann')
    assert.deepEqual(JSON.parse((await ask(ann, 'GET', '/api/identity')).text).identity, { issuer: issuer.url, subject: 'zoe' })

    // From then on it is another way in, to the same account with its own name.
    const again = await arrive(t, server, issuer, 'zoe')
    await atHome(again)
    const { person } = await session(again)
    assert.deepEqual([person.login, person.name, person.is_admin], ['ann', 'Ann Archer', true])

    await openMenu(ann, BUTTON.name)
    await dialog.getByText('zoe at').waitFor()
    await assertAccessible(ann.page, 'linked')
    await dialog.getByRole('button', { name: 'Do not sign in with Harbour' }).click()
    await dialog.getByRole('button', { name: 'Really sign in here alone' }).click()
    await dialog.getByRole('button', BUTTON).waitFor()
    await openMenu(again, 'Sign out')
    await again.page.getByRole('button', BUTTON).click()
    assert.match(await complaint(again), /no account for you here/)
    assertOwnFine(ann, server)
  })

  it('fit on a narrow screen', async (t) => {
    const { server } = await start(t, {})
    const narrow = { ...calm, viewport: { width: 360, height: 640 }, hasTouch: true, isMobile: true }
    const ann = await somebody(t, narrow)
    const fits = async (where) => {
      const [inside, outside] = await ann.page.evaluate(() => [document.documentElement.scrollWidth, innerWidth])
      assert.ok(inside <= outside, `${where} is ${inside} wide on a screen of ${outside}`)
    }
    await ann.page.goto(`${server.url}/#oidc=not_invited`)
    await complaint(ann)
    await fits('signing in')
    await signIn(ann, 'ann')
    await atHome(ann)
    await openMenu(ann, BUTTON.name)
    await ann.page.getByRole('dialog').getByRole('button', BUTTON).waitFor()
    await fits('linking')
    ann.assertNoProblems()
  })
})
