// Visitors: a real browser, each with a profile of its own.

import assert from 'node:assert/strict'
import { existsSync, readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { chromium } from 'playwright-core'
import { encode, until } from '../node/harness.js'

const FLAGS = [
  '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run',
  '--disable-background-networking', '--disable-component-update', '--disable-sync'
]

const axe = readFileSync(createRequire(import.meta.url).resolve('axe-core/axe.min.js'), 'utf8')

/** Starts the browser: CHROMIUM, or where Debian has it. */
export async function launch() {
  const executablePath = process.env.CHROMIUM || '/usr/bin/chromium'
  assert.ok(existsSync(executablePath), `no browser at ${executablePath}: install chromium, or set CHROMIUM`)
  return chromium.launch({ executablePath, args: FLAGS })
}

/** What axe finds that keeps people out. */
export async function assertAccessible(page, where) {
  await page.evaluate(axe)
  const { violations, passes } = await page.evaluate(() => window.axe.run(document, { resultTypes: ['violations', 'passes'] }))
  assert.ok(passes.length > 10, `${where}: axe looked at the page`)
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const said = grave.map(({ id, help, nodes }) => `${id}: ${help}\n  ${nodes.map((n) => n.html + '\n    ' + n.failureSummary).join('\n  ')}`)
  assert.deepEqual(said, [], where)
}

/** Somebody with a browser window. */
export class Visitor {
  /** Opens a window without a page. `t` is the test, which closes it in the end. */
  static async arrive(t, browser, options = {}) {
    const visitor = new Visitor()
    visitor.context = await browser.newContext({ locale: 'en-GB', viewport: { width: 1200, height: 800 }, ...options })
    t.after(() => visitor.context.close())
    visitor.problems = []
    await visitor.context.addInitScript(() => {
      addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))
    })
    visitor.page = await visitor.context.newPage()
    visitor.watch(visitor.page)
    return visitor
  }

  /** Opens a document under a name of one's own, and waits until the text is there. */
  static async open(t, browser, server, document, name, options) {
    const visitor = await Visitor.arrive(t, browser, options)
    await visitor.goto(server, document)
    if (name) await visitor.rename(name)
    return visitor
  }

  /** Collects what a user would find in the console. */
  watch(page) {
    page.on('console', (message) => {
      if (message.type() === 'error' || message.type() === 'warning') this.problems.push(`${message.text()} (${message.location().url})`)
    })
    page.on('pageerror', (error) => this.problems.push(`thrown: ${error.stack ?? error}`))
  }

  /** Goes to a document. */
  async goto(server, document) {
    await this.page.goto(`${server.url}/edit/${encode(document)}`)
    await this.content.waitFor()
    await this.untilState('saved')
  }

  async rename(name) {
    await this.page.getByTestId('me').click()
    await this.page.getByLabel('Your name').fill(name)
    await this.page.keyboard.press('Enter')
    await this.page.keyboard.press('Escape')
  }

  get content() {
    return this.page.locator('.cm-content').first()
  }

  /** The text in the editor. */
  async text() {
    return this.content.evaluate((content) => [...content.querySelectorAll('.cm-line')].map((line) => line.textContent).join('\n'))
  }

  /** Puts the caret at the start or the end, and types. */
  async type(text, where = 'End') {
    await this.content.focus()
    await this.page.keyboard.press(`Control+${where}`)
    await this.page.keyboard.type(text)
  }

  async untilText(wanted) {
    const fits = typeof wanted === 'function' ? wanted : (text) => text === wanted
    await until(async () => `the text is ${wanted}: ${JSON.stringify(await this.text())}`, async () => fits(await this.text()))
  }

  async state() {
    return this.page.getByTestId('state').getAttribute('data-state')
  }

  async stateWords() {
    return this.page.getByTestId('state').innerText()
  }

  async untilState(...wanted) {
    return until(async () => `the state is ${wanted}: ${await this.state()}`, async () => wanted.includes(await this.state()))
  }

  /** The names at the carets of others that are in sight. */
  async carets() {
    return this.page.getByTestId('caret').evaluateAll((all) => all.map((caret) => caret.dataset.name))
  }

  /** Everyone present, by name; oneself is not among them. */
  async people() {
    const labels = await this.page.getByTestId('people').locator('button[aria-label^="Follow "]').evaluateAll((all) => all.map((b) => b.ariaLabel))
    return labels.map((label) => label.slice('Follow '.length)).sort()
  }

  /** Nothing went wrong; a line that was cut on purpose leaves words of the browser's own. */
  assertNoProblems({ cut = false } = {}) {
    const own = cut ? this.problems.filter((p) => !/WebSocket connection to|net::ERR_|status of 503/.test(p)) : this.problems
    assert.deepEqual(own, [])
  }
}
