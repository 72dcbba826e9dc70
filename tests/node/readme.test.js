// What the README says to type, where nothing else runs it: its own blocks, in a shell or as a program.

import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { promisify } from 'node:util'
import { binary, readme, Ropewalk, run, until } from './harness.js'

const execute = promisify(execFile)

/** The block for a shell that has this in it. */
function shell(has) {
  const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
  const blocks = [...text.matchAll(/^```sh\n(.*?)^```/gms)].map(([, code]) => code)
  return blocks.find((code) => code.includes(has)) ?? assert.fail(`no code with ${has}`)
}

/** A home with `ropewalk` in the PATH. */
function home(t) {
  const folder = mkdtempSync(join(tmpdir(), 'ropewalk-test-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  mkdirSync(join(folder, 'bin'))
  symlinkSync(binary(), join(folder, 'bin/ropewalk'))
  const env = { ...process.env, HOME: folder, XDG_STATE_HOME: folder, PATH: `${folder}/bin:${process.env.PATH}` }
  const type = (script) => execute('sh', ['-euc', script.replaceAll('curl ', 'curl -fsS ')], { cwd: folder, env })
  return { folder, type }
}

describe('README', { concurrency: true }, () => {
  it('makes, reads and deletes a document with curl', async (t) => {
    const server = await Ropewalk.start(t)
    const { folder, type } = home(t)
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i + 1}\n`)
    writeFileSync(join(folder, 'today.md'), lines.join(''))
    const [make, read, remove, ...rest] = shell('curl -T today.md').replaceAll('127.0.0.1:4880', `127.0.0.1:${server.port}`).trimEnd().split('\n')
    assert.deepEqual(rest, [])
    await type(make)
    assert.equal(await server.text('notes/today.md'), lines.join(''))
    assert.equal((await type(read)).stdout.trimEnd(), lines.slice(0, 20).join('').trimEnd())
    await type(remove)
    assert.equal((await fetch(`${server.url}/api/documents/notes/today.md/text`)).status, 410)
  })

  it('joins a folder', async (t) => {
    const server = await Ropewalk.start(t)
    const { folder, type } = home(t)
    mkdirSync(join(folder, 'notes'))
    const { stdout } = await type(shell('ropewalk join').replace('https://write.example.org', server.url))
    assert.equal(readFileSync(join(folder, 'notes/.ropewalk'), 'utf8'), `server = "${server.url}"\nprefix = "notes"\n`)
    // What it says to put into the settings of VS Code is what the README says.
    const text = readFileSync(new URL('../../README.md', import.meta.url), 'utf8')
    const [, settings] = text.match(/^```json\n("teamtype\.configs".*?)\n```/ms)
    assert.ok(stdout.includes(settings), stdout)
  })

  it('gets a token of y-sweet for a document, in the backend of an app', async (t) => {
    const server = await Ropewalk.start(t)
    const [backend, browser] = readme('new DocumentManager(').split('// In the browser:')
    assert.match(browser, /createYjsProvider\(doc, 'notes\/today\.md', '\/my-auth-endpoint'\)/)
    const program = run(t, server, `${backend}\nconsole.log(JSON.stringify(token))`)
    await until(() => `a token: ${program.printed}`, () => program.printed.endsWith('}\n'))
    const token = JSON.parse(program.printed)
    assert.deepEqual([token.docId, token.url], ['notes/today.md', `ws://127.0.0.1:${server.port}/d/notes/today.md/ws`])
    assert.equal(await server.text('notes/today.md'), '')
  })
})
