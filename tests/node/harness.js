// The real binary, and people with unmodified Yjs editors. Used by the stories of `node` and `browser`.

import assert from 'node:assert/strict'
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { createInterface } from 'node:readline'
import { setInterval } from 'node:timers/promises'
import { promisify } from 'node:util'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'

const execute = promisify(execFile)

/** How long a story waits for something that must happen, in milliseconds. */
const DEADLINE_MS = 60_000
/** How often something that cannot tell of its changes is looked at, in milliseconds. */
const LOOK_EVERY_MS = 20

/** Looks until there is a truthy answer, and returns it. */
export async function until(what, look) {
  const began = Date.now()
  let last
  for await (const _ of setInterval(LOOK_EVERY_MS)) {
    last = await look()
    if (last) return last
    if (Date.now() - began > DEADLINE_MS) {
      assert.fail(`waited ${DEADLINE_MS} ms in vain: ${typeof what === 'function' ? await what() : what}`)
    }
  }
}

/** The binary under test: ROPEWALK_BIN, or the newest build of this tree. */
export function binary() {
  const root = resolve(import.meta.dirname, '../..')
  const target = process.env.CARGO_TARGET_DIR ?? join(root, 'target')
  const found = [process.env.ROPEWALK_BIN, join(target, 'release/ropewalk'), join(target, 'debug/ropewalk')]
    .filter(Boolean)
    .map((path) => resolve(path))
    .find(existsSync)
  assert.ok(found, 'no binary: run `cargo build --release`, or set ROPEWALK_BIN')
  return found
}

/** A running server with a data folder of its own. */
export class Ropewalk {
  /** Starts one; `t` is the test, which stops it in the end. */
  static async start(t, ...args) {
    return Ropewalk.#startOn(t, '127.0.0.1', args)
  }

  /** The same, where other computers reach it. */
  static async reachable(t, ...args) {
    return Ropewalk.#startOn(t, '0.0.0.0', args)
  }

  static async #startOn(t, address, args) {
    const server = new Ropewalk()
    server.address = address
    server.args = args
    server.data = mkdtempSync(join(tmpdir(), 'ropewalk-test-'))
    server.port = 0
    server.log = server.printed = ''
    t.after(async () => {
      await server.kill()
      rmSync(server.data, { recursive: true, force: true })
    })
    await server.startAgain()
    return server
  }

  /** Starts it on the same folder and, after the first time, the same port. */
  async startAgain() {
    const args = ['serve', '--listen', `${this.address}:${this.port}`, '--data', this.data, ...this.args]
    const child = spawn(binary(), args, { env: { ...environment(), ...this.env }, stdio: ['ignore', 'pipe', 'pipe'] })
    this.child = child
    child.stderr.on('data', (bytes) => { this.log += bytes })
    const ended = once(child, 'exit').then(([code]) => assert.fail(`the server ended with ${code}: ${this.log}`))
    child.stdout.on('data', (bytes) => { this.printed += bytes })
    const lines = createInterface(child.stdout)
    const [line] = await Promise.race([once(lines, 'line'), ended])
    ended.catch(() => {})
    const [, port] = line.match(/^Ropewalk is ready: http:\/\/[\d.]+:(\d+)$/) ?? assert.fail(`not where it listens: ${line}`)
    this.port = Number(port)
  }

  /** Starts it again on a disk whose syncs can be made to wait. */
  async startPreloaded(t) {
    await this.terminate()
    const beside = mkdtempSync(join(tmpdir(), 'ropewalk-test-'))
    t.after(() => rmSync(beside, { recursive: true, force: true }))
    const [library, faults] = [join(beside, 'preload.so'), join(beside, 'faults')]
    await execute(process.env.CC ?? 'cc', ['-shared', '-fPIC', '-O1', '-o', library, join(import.meta.dirname, '../tests/stories/preload/preload.c')])
    // How often what fails, and how: see `preload.c`.
    const set = (syncs) => {
      const told = Buffer.alloc(64)
      told.writeInt32LE(syncs, 0)
      told.writeInt32LE(-1, 16)
      writeFileSync(faults, told, { flag: 'r+' })
    }
    writeFileSync(faults, Buffer.alloc(64))
    this.env = { LD_PRELOAD: library, RECORD_TO: join(beside, 'recording'), RECORD_FOLDER: realpathSync(this.data), FAULTS: faults }
    await this.startAgain()
    return { wait: () => set(-1), goOn: () => set(0) }
  }

  get url() {
    return `http://127.0.0.1:${this.port}`
  }

  /** Ends it like a power cut does. */
  async kill() {
    return this.#end('SIGKILL')
  }

  /** Asks it to end; its exit code. */
  async terminate() {
    return this.#end('SIGTERM')
  }

  async #end(signal) {
    const { child } = this
    if (!child || child.exitCode !== null || child.signalCode !== null) return child?.exitCode
    const exit = once(child, 'exit')
    child.kill(signal)
    const [code] = await exit
    return code
  }

  /** Makes the account of an administrator, whose token it has from then on; nobody else comes in. */
  async addAdministrator(login) {
    await this.addPerson(login, '--admin')
    this.token = await this.makeToken(login, 'own')
  }

  async addPerson(login, ...args) {
    await command(this, ['user', 'add', login, ...args, '--password-stdin'], 'seven ropes on a quay')
  }

  /** A token for these documents. */
  async makeToken(login, access, target = '*') {
    const made = await command(this, ['token', 'create', login, '--name', 'test', '--access', access, '--for', target])
    const [token] = made.match(/rwt_[\w-]+/)
    const asks = async (headers) => (await fetch(`${this.url}/api/documents`, { headers })).status
    // Until it has seen that there is somebody, it lets everybody in.
    await until('the server knows them', async () => await asks({}) === 401 && await asks({ authorization: `Bearer ${token}` }) === 200)
    return token
  }

  get headers() {
    return this.token ? { authorization: `Bearer ${this.token}` } : {}
  }

  /** A document's text as the API tells it. */
  async text(name) {
    const response = await fetch(`${this.url}/api/documents/${encode(name)}/text`, { headers: this.headers })
    assert.equal(response.status, 200, await response.clone().text())
    return response.text()
  }

  /** Creates a document. */
  async create(name, text) {
    const response = await fetch(`${this.url}/api/documents/${encode(name)}`, { method: 'PUT', body: text })
    assert.equal(response.status, 201, await response.clone().text())
  }
}

/** A name as the path of a URL. */
export function encode(name) {
  return name.split('/').map(encodeURIComponent).join('/')
}

export const README = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')

/** All code in the README. */
export function blocks() {
  return [...README.matchAll(/^```(\w*)\n(.*?)^```$/gms)].map(([, language, code]) => ({ language, code }))
}

/** The code in the README that has this in it. */
export function readme(has, language = 'js') {
  const found = blocks().find((block) => block.language === language && block.code.includes(has))
  return found?.code ?? assert.fail(`no code with ${has}`)
}

/** A home with `ropewalk` in the PATH, and a `sudo` that asks for nothing. */
export function home(t) {
  const folder = mkdtempSync(join(tmpdir(), 'ropewalk-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'bin'))
  symlinkSync(binary(), join(folder, 'bin/ropewalk'))
  writeFileSync(join(folder, 'bin/sudo'), '#!/bin/sh\nexec "$@"\n', { mode: 0o755 })
  const env = { ...environment(), HOME: folder, XDG_STATE_HOME: folder, PATH: `${folder}/bin:${process.env.PATH}` }
  const type = (script) => execute('sh', ['-euc', script.replaceAll('curl ', 'curl -fsS ')], { cwd: folder, env })
  return { folder, env, type }
}

/** What a command says that runs beside a server. This process goes on meanwhile: clients and issuers of other tests are in it. */
export async function command(server, args, input = '') {
  const running = execute(binary(), [...args, '--data', server.data], { env: environment() })
  running.child.stdin.end(input)
  return (await running).stdout
}

/** The variables of a server's own: none that are for the tests. */
function environment() {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('ROPEWALK_') || name === 'ROPEWALK_SABOTAGE'))
}

/** Runs a program of the README's with this server; what it prints can be read as it comes. */
export function run(t, server, program) {
  const code = `import { WebSocket } from 'ws'; globalThis.WebSocket = WebSocket\n${program.replaceAll('127.0.0.1:4880', `127.0.0.1:${server.port}`)}`
  const child = spawn(process.execPath, ['--input-type=module', '-e', code], { cwd: import.meta.dirname })
  child.printed = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { child.printed += bytes })
  t.after(() => child.kill())
  return child
}

/** A person with the stock provider, alone in its tab. */
export class Person {
  constructor(t, server, room, { doc = new Y.Doc(), name } = {}) {
    this.doc = doc
    this.text = doc.getText('text')
    this.statuses = []
    this.closes = []
    this.provider = new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, room, doc, {
      WebSocketPolyfill: WebSocket,
      disableBc: true
    })
    this.provider.on('status', ({ status }) => this.statuses.push(status))
    this.provider.on('connection-close', (event) => this.closes.push(event?.code ?? null))
    this.provider.on('closed', (event) => { this.closed = event })
    if (name) this.provider.awareness.setLocalStateField('user', { name })
    t.after(() => this.leave())
  }

  /** Closes the connection as a closed tab does. */
  leave() {
    this.provider.destroy()
    this.provider.awareness.destroy()
  }

  async synced() {
    await until(() => `synced: ${this}`, () => this.provider.synced)
    return this
  }

  async untilText(text) {
    await until(() => `the text is ${JSON.stringify(text)}: ${this}`, () => this.text.toString() === text)
  }

  async untilPeople(...names) {
    const wanted = names.sort().join()
    const present = () => [...this.provider.awareness.getStates().values()].map((s) => s.user?.name).filter(Boolean).sort().join()
    await until(() => `present are ${wanted}: ${present()}`, () => present() === wanted)
  }

  toString() {
    return `${JSON.stringify(this.text.toString().slice(0, 200))}, synced ${this.provider.synced}, ${this.statuses}, closes ${this.closes}`
  }
}
