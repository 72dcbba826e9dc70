// People with accounts, and browsers in which they are signed in.

import assert from 'node:assert/strict'
import { spawnSync } from 'node:child_process'
import { binary, until } from '../node/harness.js'
import { Visitor } from './harness.js'

export const PASSWORD = 'seven ropes on a quay'

function user(server, args, input = '') {
  const done = spawnSync(binary(), ['user', ...args, '--data', server.data], { input, encoding: 'utf8' })
  assert.equal(done.status, 0, done.stderr)
  return done.stdout
}

/** Gives somebody an account, and waits until the server knows of it. */
export async function addPerson(server, login, { name = login, isAdmin = false } = {}) {
  user(server, ['add', login, '--password-stdin', '--name', name, ...(isAdmin ? ['--admin'] : [])], PASSWORD)
  await until(`the server knows ${login}`, async () => {
    const response = await fetch(`${server.url}/api/session`, {
      method: 'POST', body: JSON.stringify({ login, password: PASSWORD }), headers: { 'content-type': 'application/json' }
    })
    return response.status === 200
  })
}

/** The path of an invitation. */
export function invitation(server, login) {
  return user(server, ['add', login]).match(/\/join#rwi_\S+/)[0]
}

export function disable(server, login) {
  user(server, ['disable', login])
}

/** Fills in the form that stands on the page. */
export async function signIn({ page }, login, password = PASSWORD) {
  await page.getByLabel('Login').fill(login)
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.keyboard.press('Enter')
}

/** Somebody with a browser of their own, signed in and at the list of documents. */
export async function arriveSignedIn(t, browser, server, login, options) {
  const visitor = await Visitor.arrive(t, browser, { reducedMotion: 'reduce', ...options })
  await visitor.page.goto(server.url)
  await signIn(visitor, login)
  await visitor.page.getByRole('heading', { name: 'Documents', exact: true }).waitFor()
  return visitor
}

/** Asks the server as the page of a visitor does. */
export async function ask({ page }, method, path, body) {
  return page.evaluate(async ([method, path, body]) => {
    const response = await fetch(path, { method, body, headers: body === undefined ? {} : { 'content-type': body.startsWith('{') ? 'application/json' : 'text/plain' } })
    return { status: response.status, text: await response.text() }
  }, [method, path, typeof body === 'object' ? JSON.stringify(body) : body])
}

/** What goes wrong but is meant to: the browser writes each refusal to the console. */
export function assertOnlyRefusals(visitor) {
  assert.deepEqual(visitor.problems.filter((problem) => !/the server responded with a status of 4\d\d/.test(problem)), [])
}

export async function openMenu({ page }, item) {
  await page.getByTestId('me').click()
  await page.getByRole('menuitem', { name: item, exact: true }).click()
}
