// Neovim and the page, in the same lines at the same time. ROPEWALK_NEOVIMS says how many seeds, ROPEWALK_EDITOR_SEED the first.

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

const ANY = [
  'dd', 'x', 'yyp', 'J', '<gt><gt>', 'u', '<C-r>', 'gg', 'G', 'w', 'b', 'j', 'k', 'p', 'P', '~', 'gUU', 'D', 'dG', 'ddP', 'jdd', 'V>',
  'vly$p', 'A ä<Esc>', 'i💚<Esc>', 'o👩‍👩‍👧\t<Esc>', 'ciwword<Esc>', 'O<CR>two<CR>lines<Esc>', ':silent! %s/e/ee/g<CR>',
  ':silent! m0<CR>', 'A<BS><BS><Esc>', ':silent! sort<CR>'
]
/** These only put in; `#` is a mark: a character that is nowhere else, so that nothing comes into the middle of it. */
const INSERTIONS = [
  'A#ä<Esc>', 'I💚#<Esc>', 'i#<Esc>', 'a👩‍👩‍👧#\t<Esc>', 'o#<Esc>', 'O#<CR>two<Esc>', 'ggI#é<Esc>', 'GA\t#<Esc>', 'j0i#💚<CR><Esc>',
  'kea#<Esc>', 'ggO#<Esc>', 'Go💚#<CR><CR><Esc>'
]
const WORDS = ['💚', 'Ann ', 'ä\n', '\n', '👩‍👩‍👧', '\té']
const STARTS = ['first\nsecond 💚\n\nfourth\n', 'one line', 'a\nb', '']

/** Numbers by chance, below `most`; the same ones for the same seed. */
function numbers(seed) {
  let state = seed
  return (most) => {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) % most
  }
}

/** A headless Neovim with a file open, in a folder that is joined to a server. */
class Neovim {
  static async open(t, server, file, text) {
    const folder = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    const scratch = mkdtempSync(path.join(tmpdir(), 'ropewalk-test-'))
    const env = { ...process.env, XDG_STATE_HOME: scratch, XDG_CACHE_HOME: scratch, ROPEWALK_NAME: 'Vi', PATH: `${path.dirname(binary())}:${process.env.PATH}` }
    await run(binary(), ['join', server.url, folder], { env })
    if (text !== undefined) writeFileSync(path.join(folder, file), text)
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

  /** Waits until all keys that were typed have been taken. */
  async settle() {
    const number = this.settled = (this.settled ?? 0) + 1
    await this.keys(`<C-\\><C-n>:let g:settled = ${number}<CR>`)
    await until('Neovim takes all keys', async () => (await this.ask("get(g:, 'settled')")) === number)
  }

  /** What the plugin complained about. */
  errors() {
    return this.ask(`luaeval('table.concat(require("teamtype").errors, "; ")')`)
  }

  async text() {
    const [lines, eol] = await this.ask("[getline(1, '$'), &eol]")
    return lines.join('\n') + (eol ? '\n' : '')
  }
}

/** One game of a seed, with somebody whose window is open, on a server. */
class Game {
  static async begin(t, seed, server, ann) {
    const game = new Game()
    Object.assign(game, { seed, server, ann, name: `vim-${seed}.txt`, marks: 0, next: numbers(seed) })
    // In each line break, in none, or in every other one: Neovim shows them then.
    let breaks = 0
    const has = [() => true, () => false, () => breaks++ % 2 === 0][seed % 3]
    const disk = game.pick(STARTS).replaceAll('\n', () => (has() ? '\r\n' : '\n'))
    const hidden = disk.split('\r\n').length
    game.hides = hidden === 1 || hidden === disk.split('\n').length
    game.vi = await Neovim.open(t, server, game.name, disk)
    await until('it is a document', async () => (await fetch(`${server.url}/api/documents/${game.name}`)).ok)
    await ann.goto(server, game.name)
    return game
  }

  pick(all) {
    return all[this.next(all.length)]
  }

  /** Puts the caret of the page somewhere. */
  async point() {
    const { keyboard } = this.ann.page
    await keyboard.press('Control+Home')
    const lines = (await this.ann.text()).split('\n').length
    for (let down = this.next(lines); down > 0; down--) await keyboard.press('ArrowDown')
    await keyboard.press(this.pick(['Home', 'End']))
    for (let right = this.next(4); right > 0; right--) await keyboard.press('ArrowRight')
  }

  /** Whatever is typed in both, so often. */
  async any(steps) {
    for (let step = 0; step < steps; step++) {
      const keys = Array.from({ length: 1 + this.next(3) }, () => this.pick(ANY)).join('')
      await Promise.all([this.vi.keys(keys), this.typeAny()])
    }
  }

  async typeAny() {
    const { keyboard } = this.ann.page
    await this.point()
    switch (this.next(6)) {
      case 0: return keyboard.press(this.pick(['Backspace', 'Delete', 'Control+Backspace']))
      case 1:
        await keyboard.press('Shift+ArrowDown')
        return keyboard.press('Delete')
      case 2: return keyboard.press(this.pick(['Control+z', 'Control+y']))
      case 3:
        await keyboard.press('Shift+ArrowRight')
        return keyboard.type(this.pick(WORDS))
      default: return keyboard.type(this.pick(WORDS))
    }
  }

  /** Insertions alone, with the server killed among them; their marks. */
  async insertions() {
    const killed = this.next(6)
    const marks = []
    const mark = () => {
      marks.push(String.fromCharCode(0xe000 + ++this.marks))
      return marks.at(-1)
    }
    for (let step = 0; step < 6; step++) {
      const keys = this.pick(INSERTIONS).replace('#', mark())
      const words = mark() + this.pick(WORDS)
      const typing = [this.vi.keys(keys), this.point().then(() => this.ann.page.keyboard.type(words))]
      if (step === killed) typing.push(this.server.kill().then(() => this.server.startAgain()))
      await Promise.all(typing)
    }
    return marks
  }

  /** Everybody has the same, when nobody types; the text. */
  async quiet(round) {
    await this.vi.settle()
    const texts = async () => ({ vi: await this.vi.text(), page: await this.ann.text(), server: await this.server.text(this.name) })
    const isEqual = async () => {
      const { vi, page, server } = await texts()
      const shown = this.hides ? server.replaceAll('\r\n', '\n') : server
      // An empty text is shown as an empty line, with a line break or without.
      const isSame = vi === shown || (vi === '\n' && shown === '')
      // The page shows no carriage returns.
      return isSame && page === server.replaceAll('\r', '') && (await this.ann.state()) === 'saved' && server
    }
    let text
    await until(
      async () => `seed ${this.seed}, round ${round}: all have one text: ${JSON.stringify(await texts())}`,
      async () => (text = await isEqual()) !== false
    )
    return text
  }

  async play() {
    for (const [round, type] of [() => this.any(5), () => this.insertions(), () => this.any(3)].entries()) {
      const marks = (await type()) ?? []
      const text = await this.quiet(round)
      for (const [number, mark] of marks.entries()) {
        const count = text.split(mark).length - 1
        assert.equal(count, 1, `seed ${this.seed}: insertion ${number} is there ${count} times: ${JSON.stringify(text)}`)
      }
    }
    assert.equal(await this.vi.errors(), '', `seed ${this.seed}`)
    await this.vi.close()
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

  it('has one text with it, whatever is typed, and loses and doubles nothing', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.arrive(t, browser)
    const [first, count] = [['ROPEWALK_EDITOR_SEED', 0], ['ROPEWALK_NEOVIMS', 10]].map(([name, usual]) => Number(process.env[name] ?? usual))
    for (let seed = first; seed < first + count; seed++) {
      await t.test(`seed ${seed}`, async (t) => {
        const game = await Game.begin(t, seed, server, ann)
        await game.play()
      })
    }
    // Chromium styles what it joins when somebody types over a line break, and is not let.
    ann.problems = ann.problems.filter((problem) => !/inline style|style-src-attr/.test(problem))
    ann.assertNoProblems({ cut: true })
  })
})
