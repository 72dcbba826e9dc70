// A team as who looks after it has it in the page: groups, folders that are shared, and the server itself.

import assert from 'node:assert/strict'
import { after, before, describe, it } from 'node:test'
import { Ropewalk, until } from '../node/harness.js'
import { addPerson, arriveSignedIn, ask, assertOnlyRefusals, openMenu } from './accounts.js'
import { assertAccessible, launch } from './harness.js'

describe('a team', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  const withTeam = async (t, ...others) => {
    const server = await Ropewalk.start(t)
    await addPerson(server, 'ann', { name: 'Ann Archer', isAdmin: true })
    for (const [login, name] of others) await addPerson(server, login, { name })
    return { server, ann: await arriveSignedIn(t, browser, server, 'ann') }
  }

  it('has groups that something is shared with, by the names that people have', async (t) => {
    const { server, ann } = await withTeam(t, ['bob', 'Bob Baker'], ['carl', 'Carl Cooper'], ['carl2', 'carl cooper'])
    assert.equal((await ask(ann, 'PUT', '/api/documents/team/plan.md', 'words')).status, 201)
    await openMenu(ann, 'People and groups')
    const folk = ann.page.getByRole('dialog', { name: 'People and groups' })
    await folk.getByRole('radio', { name: 'Groups' }).check()
    await folk.getByText('There are no groups yet.').waitFor()
    await folk.getByRole('button', { name: 'Make a group' }).click()
    await ann.page.keyboard.type('Authors')
    await ann.page.keyboard.press('Enter')
    const put = folk.getByLabel('Put somebody into Authors')
    await put.fill('Carl Cooper')
    await ann.page.keyboard.press('Enter')
    await folk.getByRole('alert').filter({ hasText: 'write the login' }).waitFor()
    await put.fill('bob baker')
    await ann.page.keyboard.press('Enter')
    await folk.getByTestId('member').filter({ hasText: 'Bob Baker' }).waitFor()
    await assertAccessible(ann.page, 'groups')
    await folk.getByRole('button', { name: 'Rename' }).click()
    await folk.getByLabel('Its new name').fill('Writers')
    await ann.page.keyboard.press('Enter')
    await folk.getByTestId('group').filter({ hasText: 'Writers' }).waitFor()

    await ann.goto(server, 'team/plan.md')
    await ann.page.getByRole('button', { name: 'Share', exact: true }).click()
    const dialog = ann.page.getByRole('dialog', { name: 'Share' })
    const whom = dialog.getByLabel('Share with', { exact: true })
    await whom.fill('Carl Cooper')
    await ann.page.keyboard.press('Enter')
    await dialog.getByRole('alert').filter({ hasText: 'write the login' }).waitFor()
    await whom.fill('writers')
    await until('the group is suggested', () => dialog.locator('datalist option[value="Writers (group)"]').count())
    await ann.page.keyboard.press('Enter')
    await dialog.getByLabel('What Writers may do').waitFor()
    const bob = await arriveSignedIn(t, browser, server, 'bob')
    await bob.goto(server, 'team/plan.md')
    await bob.untilText('words')

    await ann.page.goto(server.url)
    await openMenu(ann, 'People and groups')
    await folk.getByRole('radio', { name: 'Groups' }).check()
    await folk.locator('summary').click()
    await folk.getByRole('button', { name: 'Take out Bob Baker' }).click()
    await folk.getByRole('button', { name: 'Really take out' }).click()
    await bob.untilState('denied')
    await folk.getByRole('button', { name: 'Delete Writers' }).click()
    await folk.getByRole('button', { name: /^Really delete/ }).click()
    await folk.getByText('There are no groups yet.').waitFor()
    assertOnlyRefusals(ann)
  })
})
