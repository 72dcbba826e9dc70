// What the README says to type, where nothing else runs it: its own blocks, in a shell or as a program. And that something runs each of them.

import assert from 'node:assert/strict'
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { blocks, home, README, readme, Ropewalk, run, until } from './harness.js'

const ROOT = new URL('../../', import.meta.url)

/** What is in each block, and where it is run: a file, and what is in that. */
const RUN_BY = Object.entries({
  'cargo run --release\n': ['node/readme.test.js', 'is one program'],
  'Ropewalk is ready: http': ['node/readme.test.js', 'is one program'],
  '{ WebSocketPolyfill }': ['node/provider.test.js', `readme("getText('text')")`],
  'provider.messageHandlers[102]': ['node/provider.test.js', "readme('saved through')"],
  'new HocuspocusProvider(': ['node/hocuspocus.test.js', "readme('new HocuspocusProvider(')"],
  'new DatabaseSync(': ['node/hocuspocus.test.js', "readme('DatabaseSync')"],
  'new DocumentManager(': ['node/readme.test.js', "readme('new DocumentManager(')"],
  'ropewalk join ': ['node/readme.test.js', "readme('ropewalk join', 'sh')"],
  'require("teamtype")': ['src/neovim.rs', String.raw`block("require(\"teamtype\")")`],
  'root_dir = function': ['src/neovim.rs', 'block("root_dir")'],
  '"teamtype.configs"': ['node/readme.test.js', `readme('"teamtype.configs"', 'json')`],
  'ropewalk sync ': ['tests/stories/readme.rs', 'block("ropewalk sync")'],
  '> {"type": "hello"': ['node/readme.test.js', `readme('"hello"', '')`],
  'new TextClient(': ['node/text.test.js', "readme('new TextClient(')"],
  'pip install ': ['node/readme.test.js', "readme('pip install', 'sh')"],
  'async with TextClient(': ['python/test_text.py', '"TextClient" in block'],
  'npm install codemirror': ['node/readme.test.js', "code.startsWith('npm install')"],
  'npm install monaco-editor': ['node/readme.test.js', "code.startsWith('npm install')"],
  'npm install quill': ['node/readme.test.js', "code.startsWith('npm install')"],
  'npm install @tiptap/core': ['node/readme.test.js', "code.startsWith('npm install')"],
  "from 'codemirror'": ['browser/editors.js', `code: "from 'codemirror'"`],
  "from 'y-monaco'": ['browser/editors.js', `code: "from 'y-monaco'"`],
  "from 'y-quill'": ['browser/editors.js', `code: "from 'y-quill'"`],
  "from '@tiptap/core'": ['browser/editors.js', `code: "from '@tiptap/core'"`],
  'curl -T today.md': ['node/readme.test.js', "readme('curl -T today.md', 'sh')"],
  '$url/append': ['tests/stories/readme.rs', 'block("$url/append")'],
  'ropewalk user list': ['node/readme.test.js', "readme('ropewalk user list', 'sh')"],
  'oidc_issuer = ': ['browser/oidc.test.js', 'oidc_issuer'],
  'max_text_bytes = ': ['node/deploy.test.js', "readme('max_text_bytes', 'toml')"],
  'Description=Ropewalk\n': ['node/deploy.test.js', "readme('Description=Ropewalk\\n', 'ini')"],
  'enable --now ropewalk\n': ['node/deploy.test.js', "readme('enable --now ropewalk\\n', 'sh')"],
  'reverse_proxy ': ['node/proxy.test.js', "readme('reverse_proxy', '')"],
  'proxy_pass ': ['node/proxy.test.js', "readme('proxy_pass', 'nginx')"],
  'ropewalk backup /backups': ['node/deploy.test.js', "readme('ropewalk backup', 'sh')"],
  'Type=oneshot': ['node/deploy.test.js', "readme('Type=oneshot', 'ini')"],
  '[Timer]': ['node/deploy.test.js', "readme('[Timer]', 'ini')"],
  'enable --now ropewalk-backup.timer': ['node/deploy.test.js', "readme('ropewalk-backup.timer', 'sh')"],
  'tests/run rust': ['node/readme.test.js', "readme('tests/run rust', 'sh')"]
})

describe('README', { concurrency: true }, () => {
  it('has no code that nothing runs', () => {
    const all = blocks()
    for (const { code } of all) assert.equal(RUN_BY.filter(([has]) => code.includes(has)).length, 1, `what runs this?\n${code}`)
    for (const [has, [file, there]] of RUN_BY) {
      assert.equal(all.filter(({ code }) => code.includes(has)).length, 1, `once: ${has}`)
      const by = readFileSync(new URL(`tests/${file}`, ROOT), 'utf8').split('\n').filter((line) => !line.includes(`['${file}'`)).join('\n')
      assert.ok(by.includes(there), `${file} does not run ${has}`)
    }
  })

  it('connects every editor, with code to copy', () => {
    const [, connect] = README.match(/^## Connect your editor\n(.*?)^## /ms)
    const sections = connect.split(/^### /m).slice(1)
    for (const editor of ['y-websocket', 'Hocuspocus', 'y-sweet', 'CodeMirror', 'Monaco', 'Quill', 'Tiptap', 'Neovim', 'VS Code', 'Scripts', 'Python', 'A folder of files']) {
      const section = sections.find((section) => section.split('\n')[0].includes(editor))
      assert.match(section ?? '', /^```\w+\n/m, editor)
    }
  })

  it('is one program that says where it listens and where documents are', async (t) => {
    assert.equal(readme('cargo run', 'sh'), 'cargo run --release\n')
    const { packages, workspace_default_members: own } = JSON.parse(execFileSync('cargo', ['metadata', '--no-deps', '--offline', '--format-version', '1'], { cwd: ROOT, encoding: 'utf8' }))
    const programs = packages.filter(({ id }) => own.includes(id)).flatMap(({ targets }) => targets).filter(({ kind }) => kind.includes('bin'))
    assert.deepEqual(programs.map(({ name }) => name), ['ropewalk'])
    const { folder, env } = home(t)
    mkdirSync(join(folder, 'ropewalk'))
    const child = spawn('ropewalk', ['--listen', '127.0.0.1:0'], { cwd: join(folder, 'ropewalk'), env })
    t.after(() => child.kill('SIGKILL'))
    let printed = ''
    child.stdout.on('data', (bytes) => { printed += bytes })
    await until(() => `both lines: ${printed}`, () => printed.split('\n').length === 3)
    const [, port] = printed.match(/127\.0\.0\.1:(\d+)/)
    assert.equal(printed, readme('Ropewalk is ready', '').replace('4880', port).replace('/home/you', folder))
    const exit = once(child, 'exit')
    child.kill('SIGTERM')
    assert.deepEqual(await exit, [0, null])
  })

  it('makes, reads and deletes a document with curl', async (t) => {
    const server = await Ropewalk.start(t)
    const { folder, type } = home(t)
    const lines = Array.from({ length: 30 }, (_, i) => `line ${i + 1}\n`)
    writeFileSync(join(folder, 'today.md'), lines.join(''))
    const [make, read, remove, ...rest] = readme('curl -T today.md', 'sh').replaceAll('127.0.0.1:4880', `127.0.0.1:${server.port}`).trimEnd().split('\n')
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
    const { stdout } = await type(readme('ropewalk join', 'sh').replace('https://write.example.org', server.url))
    assert.equal(readFileSync(join(folder, 'notes/.ropewalk'), 'utf8'), `server = "${server.url}"\nprefix = "notes"\n`)
    // What it says to put into the settings of VS Code is what the README says.
    const settings = readme('"teamtype.configs"', 'json').trimEnd()
    JSON.parse(`{${settings}}`)
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

  it('says what is said on the text wire', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('notes/today.md', 'Hello')
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/text/notes/today.md`, 'ropewalk.text.v1')
    t.after(() => socket.terminate())
    const heard = []
    socket.on('message', (data) => heard.push(JSON.parse(data)))
    await once(socket, 'open')
    for (const line of readme('"hello"', '').trimEnd().split('\n')) {
      const message = JSON.parse(line.slice(2))
      if (line.startsWith('> ')) {
        socket.send(line.slice(2))
      } else {
        await until(() => `heard: ${line}`, () => heard.length > 0)
        assert.deepEqual(heard.shift(), message)
      }
    }
    assert.equal(await server.text('notes/today.md'), 'Hello!')
  })

  it('installs the packages that the browser tests bundle', () => {
    const installs = blocks().filter(({ code }) => code.startsWith('npm install'))
    const modules = blocks().filter(({ code }) => code.includes("'#editor'"))
    assert.equal(installs.length, modules.length)
    for (const [i, { code }] of installs.entries()) {
      const [, ...wanted] = code.replaceAll('\\\n', ' ').trim().split(/\s+/).slice(1)
      const packages = wanted.map((one) => one.match(/^(.+)@([\d.]+)$/).slice(1))
      for (const [name, range] of packages) {
        const { version } = JSON.parse(readFileSync(new URL(`tests/node_modules/${name}/package.json`, ROOT), 'utf8'))
        assert.ok(`${version}.`.startsWith(`${range}.`), `${name}@${range} is not ${version}`)
      }
      const names = new Set(packages.map(([name]) => name))
      for (const [, from] of modules[i].code.matchAll(/^import .*'(.*)'$/gm)) {
        const name = from.split('/').slice(0, from.startsWith('@') ? 2 : 1).join('/')
        assert.ok(names.has(name), `${name} is not installed by ${code}`)
      }
    }
    const [, python] = readme('pip install', 'sh').match(/^pip install (\w+)\n$/)
    assert.match(readFileSync(new URL('tests/python/requirements.txt', ROOT), 'utf8'), new RegExp(`^${python}==`, 'm'))
  })

  it('makes people and tokens on the command line', async (t) => {
    const server = await Ropewalk.start(t)
    const { folder, type } = home(t)
    // They go where the server keeps its documents if it is started there.
    symlinkSync(server.data, join(folder, 'ropewalk-data'))
    const [add, list, invitations, token, ...rest] = readme('ropewalk user list', 'sh').trimEnd().split('\n')
    assert.deepEqual(rest, [])
    const [, secret] = (await type(add)).stdout.match(/\/join#(\S+)/)
    assert.match((await type(invitations)).stdout, /\bann\b/)
    const joined = await fetch(`${server.url}/api/join`, {
      method: 'POST',
      headers: { origin: server.url, 'content-type': 'application/json' },
      body: JSON.stringify({ secret, name: 'Ann', password: 'seven ropes on a quay' })
    })
    assert.equal(joined.status, 200, await joined.text())
    assert.match((await type(list)).stdout, /\bann\b/)
    const made = (await type(token)).stdout.match(/rwt_[\w-]+/)[0]
    const asks = async () => (await fetch(`${server.url}/api/documents`, { headers: { authorization: `Bearer ${made}` } })).status
    await until('the server knows the token', async () => (await asks()) === 200)
    const number = (await type('ropewalk token list ann')).stdout.match(/\d+/)[0]
    await type(`ropewalk token revoke ${number}`)
    await until('the server knows it no more', async () => (await asks()) === 401)
    // What the comments name.
    await type('printf "seven ropes on a quay\\n" | ropewalk user add bob --password-stdin')
    for (const deed of ['make-admin', 'reset-password', 'disable', 'enable']) {
      assert.ok(readme('ropewalk user list', 'sh').includes(deed))
      await type(`ropewalk user ${deed} bob`)
    }
    await type('ropewalk user add eve')
    const invited = (await type('ropewalk user invitations')).stdout
    await type(`ropewalk user revoke-invitation ${invited.match(/\d+/)[0]}`)
    assert.doesNotMatch((await type('ropewalk user invitations')).stdout, /\beve\b/)
  })

  it('names the parts of the tests', () => {
    const [, one, pack] = readme('tests/run rust', 'sh').trimEnd().split('\n')
    const [, parts] = one.match(/one part: ([\w ]+)$/)
    const script = readFileSync(new URL('tests/run', ROOT), 'utf8')
    assert.deepEqual(new Set(parts.split(' ')), new Set([...script.matchAll(/\bwanted (\w+)/g)].map(([, part]) => part)))
    const [, name] = pack.match(/^cargo test -p ([\w-]+)/)
    assert.match(readFileSync(new URL('crdt/Cargo.toml', ROOT), 'utf8'), new RegExp(`^name = "${name}"$`, 'm'))
  })
})
