// Neovim and the page, in the same lines at the same time.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { after, before, describe, it } from 'node:test'
import { promisify } from 'node:util'
import { binary, Ropewalk, until } from '../node/harness.js'
import { launch, Visitor } from './harness.js'

const run = promisify(execFile)

/** A headless Neovim with a file open, in a folder that is joined to a server. */
class Neovim {
  static async open(t, server, file) {
    const folder = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    const scratch = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    const env = { ...process.env, XDG_STATE_HOME: scratch, XDG_CACHE_HOME: scratch, ROPEWALK_NAME: 'Vi', PATH: `${path.dirname(binary())}:${process.env.PATH}` }
    await run(binary(), ['join', server.url, folder], { env })
    writeFileSync(path.join(scratch, 'init.lua'), `
      vim.opt.runtimepath:append('${path.join(import.meta.dirname, '../neovim')}')
      vim.opt.swapfile = false
      require('teamtype').config('ropewalk', {
        cmd = { 'ropewalk', 'client' },
        root_dir = function(_, found) found('${folder}') end,
      })
      require('teamtype').enable('ropewalk')`)
    const vi = new Neovim()
    vi.scratch = scratch
    vi.socket = path.join(scratch, 'nvim.sock')
    const child = spawn('nvim', ['--headless', '-n', '-i', 'NONE', '-u', path.join(scratch, 'init.lua'), '--listen', vi.socket, path.join(folder, file)], { env, stdio: 'ignore' })
    t.after(() => {
      child.kill('SIGKILL')
      if (vi.isClosed) for (const gone of [folder, scratch]) rmSync(gone, { recursive: true, force: true })
    })
    await until('Neovim listens', () => vi.ask('1').catch(() => undefined))
    return vi
  }

  async ask(expression) {
    const { stdout, stderr } = await run('nvim', ['--server', this.socket, '--remote-expr', `json_encode(${expression})`])
    return JSON.parse(stdout || stderr)
  }

  keys(keys) {
    return run('nvim', ['--server', this.socket, '--remote-send', keys])
  }

  /** Ends it, and waits for the command that it runs: that writes the file. */
  async close() {
    // It may be gone before it can answer.
    await this.keys('<Esc>:qa!<CR>').catch(() => {})
    const is = (pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`).includes(this.scratch)
      } catch {
        return false
      }
    }
    await until('Neovim and its command have ended', () => !readdirSync('/proc').some(is))
    this.isClosed = true
  }

  async text() {
    const [lines, eol] = await this.ask("[getline(1, '$'), &eol]")
    return lines.join('\n') + (eol ? '\n' : '')
  }
}

describe('Neovim beside the page', () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  it('types in the same lines, and both have one text', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('shared.md', 'first ä\nsecond 💚\nthird\n')
    const vi = await Neovim.open(t, server, 'shared.md')
    const ann = await Visitor.open(t, browser, server, 'shared.md', 'Ann')
    const same = async () => {
      await until(
        async () => `all have one text: ${JSON.stringify([await vi.text(), await ann.text(), await server.text('shared.md')])}`,
        async () => {
          const text = await server.text('shared.md')
          return (await vi.text()) === text && (await ann.text()) === text && (await ann.state()) === 'saved'
        }
      )
    }
    await same()
    const typed = ['ggA 👩‍👩‍👧<Esc>', 'ggIä<Tab>é<Esc>', 'jA ü<Esc>', 'Go💛 new<Esc>', 'ggOabove<Esc>', '2Gx', 'Gkdd', ':%s/e/E/e<CR>']
    for (const [round, keys] of typed.entries()) {
      await Promise.all([
        vi.keys(`<Esc>${keys}`),
        ann.type(`<${round} é>`, round % 2 ? 'Home' : 'End')
      ])
      await same()
      const text = await ann.text()
      assert.ok(text.includes(`<${round} `), `${round} in ${JSON.stringify(text)}`)
    }
    const text = await ann.text()
    for (const part of ['👩‍👩‍👧', 'ä\té', ' ü', 'abov']) assert.ok(text.includes(part), `${part} in ${JSON.stringify(text)}`)
    await until('Ann sees who it is', async () => (await ann.people()).join() === 'Vi')
    await vi.close()
    ann.assertNoProblems()
  })
})
