// VS Code: that of code-server, with Teamtype's extension, in a window of the browser.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { promisify } from 'node:util'
import { binary, until } from '../node/harness.js'

const run = promisify(execFile)
const tests = path.resolve(import.meta.dirname, '..')

/** The settings that the README gives. */
function settings() {
  const text = readFileSync(path.join(tests, '../README.md'), 'utf8')
  const [, lines] = text.match(/^```json\n("teamtype\.configs".*?)^```/ms) ?? assert.fail('no settings for VS Code')
  return JSON.parse(`{${lines}}`)
}

/** One with a folder open that is joined to a server. */
export class Code {
  static async open(t, browser, server) {
    const code = new Code()
    code.folder = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    code.scratch = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    t.after(() => code.#end())
    code.env = {
      ...process.env,
      PATH: `${path.dirname(binary())}:${process.env.PATH}`,
      XDG_STATE_HOME: code.scratch,
      // Otherwise it takes the PATH of a login shell.
      VSCODE_CLI: '1',
      ROPEWALK_NAME: 'Code',
      ROPEWALK_PROBE: path.join(code.scratch, 'probe.sock')
    }
    await run(binary(), ['join', server.url, code.folder], { env: code.env })
    const kit = path.resolve(process.env.ROPEWALK_VSCODE)
    const main = path.join(kit, 'code-server/lib/vscode/out/server-main.js')
    assert.ok(existsSync(main), `no ${main}`)
    const at = (name) => path.join(code.scratch, name)
    cpSync(path.join(kit, 'teamtype'), at('extensions/teamtype'), { recursive: true })
    cpSync(path.join(tests, 'vscode'), at('extensions/probe'), { recursive: true })
    mkdirSync(at('data/User'), { recursive: true })
    writeFileSync(at('data/User/settings.json'), JSON.stringify({ ...settings(), 'workbench.startupEditor': 'none' }))
    code.child = spawn(process.execPath, [
      main, '--host', '127.0.0.1', '--port', '0', '--without-connection-token', '--accept-server-license-terms',
      '--disable-workspace-trust', '--telemetry-level', 'off', '--extensions-dir', at('extensions'),
      '--server-data-dir', at('data'), '--user-data-dir', at('data')
    ], { env: code.env, stdio: ['ignore', 'pipe', 'ignore'], detached: true })
    const port = new Promise((resolve) => {
      createInterface(code.child.stdout).on('line', (line) => {
        const [, port] = line.match(/listening on (\d+)/) ?? []
        if (port) resolve(port)
      })
    })
    const ended = once(code.child, 'exit').then(([code]) => assert.fail(`it ended with ${code}`))
    ended.catch(() => {})
    code.context = await browser.newContext({ viewport: { width: 1200, height: 800 } })
    code.page = await code.context.newPage()
    await code.page.goto(`http://127.0.0.1:${await Promise.race([port, ended])}/?folder=${code.folder}`)
    await until('the extensions run', () => code.ask("vscode.extensions.getExtension('teamtype.teamtype').isActive").catch(() => false))
    return code
  }

  /** The value of an expression in the extension host. */
  ask(expression) {
    return new Promise((resolve, reject) => {
      const asked = request({ socketPath: this.env.ROPEWALK_PROBE, method: 'POST' }, async (response) => {
        let body = ''
        for await (const part of response) body += part
        response.statusCode === 200 ? resolve(JSON.parse(body)) : reject(new Error(body))
      })
      asked.on('error', reject)
      asked.end(expression)
    })
  }

  path(file) {
    return path.join(this.folder, file)
  }

  read(file) {
    return readFileSync(this.path(file), 'utf8')
  }

  write(file, text) {
    mkdirSync(path.dirname(this.path(file)), { recursive: true })
    writeFileSync(this.path(file), text)
  }

  /** Shows a file. */
  async show(file) {
    await this.ask(`vscode.window.showTextDocument(vscode.Uri.file(${JSON.stringify(this.path(file))})).then(() => true)`)
    await this.input.waitFor({ state: 'attached' })
  }

  get input() {
    return this.page.locator('.editor-instance .inputarea, .editor-instance .native-edit-context').first()
  }

  async keys(...keys) {
    await this.input.focus()
    for (const key of keys) await this.page.keyboard.press(key)
    await this.#noticed()
  }

  /** Waits until the extension host knows of what was typed: all that it hears comes in order. */
  async #noticed() {
    await this.ask("vscode.commands.executeCommand('vscode.getEditorLayout').then(() => true)")
  }

  /** Puts the caret at the start or the end, and types. */
  async type(text, where = 'End') {
    await this.keys(`Control+${where}`)
    await this.page.keyboard.type(text)
    await this.#noticed()
  }

  /** The text of a file that is open. */
  text(file) {
    return this.ask(`vscode.workspace.textDocuments.find((document) => document.uri.fsPath === ${JSON.stringify(this.path(file))})?.getText()`)
  }

  complaints() {
    return this.page.locator('.notification-toast').allInnerTexts()
  }

  async #end() {
    await this.context?.close()
    if (this.child) {
      const ended = once(this.child, 'exit')
      if (this.child.exitCode === null && this.child.signalCode === null) {
        process.kill(-this.child.pid, 'SIGKILL')
        await ended
      }
    }
    for (const gone of [this.folder, this.scratch]) rmSync(gone, { recursive: true, force: true })
  }
}
