// The reference client of the text wire, beside Yjs editors.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { WebSocket, WebSocketServer } from 'ws'
import { encode, Person, readme, Ropewalk, run, until } from './harness.js'
import { TextClient } from './text-client.js'

function join(t, server, name, options) {
  const client = new TextClient(`ws://127.0.0.1:${server.port}/text/${encode(name)}`, { WebSocket, ...options })
  client.refused = []
  client.onrefused = (...why) => client.refused.push(why)
  t.after(() => client.close())
  return client
}

const saved = (client) => until(() => `saved: ${JSON.stringify(client.text)}`, () => client.saved)
const same = (client, text) => until(() => `${JSON.stringify(client.text)} is ${JSON.stringify(text)}`, () => client.text === text)

describe('the text wire', { concurrency: true }, () => {
  it('carries a text both ways', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = join(t, server, 'a b/ü')
    ann.edit(0, 0, 'Hello 💚')
    await saved(ann)
    assert.equal(await server.text('a b/ü'), 'Hello 💚')
    const bob = await new Person(t, server, 'a%20b/%C3%BC').synced()
    bob.text.insert(5, ',')
    await same(ann, 'Hello, 💚')
    ann.edit(7, 9, '💛')
    await bob.untilText('Hello, 💛')
    bob.text.delete(7, 2)
    await same(ann, 'Hello, ')
  })

  it('loses and doubles nothing when the server is killed', async (t) => {
    const server = await Ropewalk.start(t)
    const people = [join(t, server, 'crowd'), join(t, server, 'crowd'), join(t, server, 'crowd')]
    let words = 0
    for (let round = 0; round < 5; round += 1) {
      for (let i = 0; i < 10; i += 1) {
        for (const [n, person] of people.entries()) {
          const at = i % 2 ? 0 : person.text.length
          person.edit(at, at, `<${n}.${round}.${i}>`)
          words += 1
        }
        // Lets some of it come and go.
        await new Promise((resolve) => setImmediate(resolve))
      }
      await server.kill()
      people[0].edit(0, 0, `<off.${round}>`)
      words += 1
      await server.startAgain()
    }
    for (const person of people) await saved(person)
    const text = await server.text('crowd')
    for (const person of people) await same(person, text)
    const found = text.match(/<[^<>]*>/g)
    assert.equal(found.join('').length, text.length, text)
    assert.equal(new Set(found).size, words)
    assert.equal(found.length, words)
    assert.deepEqual(people.flatMap(({ refused }) => refused), [])
  })

  it('is used as the README says', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('notes/today.md', 'text\n')
    const program = run(t, server, readme('new TextClient('))
    await until(() => `the line is there: ${program.printed}`, async () => (await server.text('notes/today.md')) === 'Hello from JavaScript\ntext\n')
  })

  it('says what was refused', async (t) => {
    const server = await Ropewalk.start(t, '--max-text-bytes', '2048')
    const ann = join(t, server, 'small')
    ann.edit(0, 0, 'fits')
    await saved(ann)
    ann.edit(4, 4, 'x'.repeat(100_000))
    await until('refused', () => ann.refused.length)
    assert.match(ann.refused[0][0], /^too_large/)
    assert.equal(ann.refused[0][1][0].insert.length, 100_000)
    assert.equal(ann.text, 'fits')
    await fetch(`${server.url}/api/documents/small`, { method: 'DELETE' })
    await until('closed', () => ann.refused.length === 2)
    assert.deepEqual(ann.refused[1], ['closed with 4404', 'fits'])
  })

  /** Breaks the line off, with an edit under way that does not arrive. */
  async function breakOff(t, server, name) {
    const ann = join(t, server, name)
    ann.edit(0, 0, 'abc')
    await saved(ann)
    const url = ann.url
    ann.url = 'ws://127.0.0.1:9/'
    ann.socket.terminate()
    ann.edit(1, 2, 'BB')
    ann.edit(4, 4, '!')
    ann.edit(2, 2, '-')
    assert.equal(ann.text, 'aB-Bc!')
    return [ann, () => (ann.url = url)]
  }

  it('sends once more what was sent too long ago', async (t) => {
    const server = await Ropewalk.start(t)
    const [ann, back] = await breakOff(t, server, 'old')
    const bob = join(t, server, 'old')
    await same(bob, 'abc')
    const append = { method: 'POST', headers: { 'content-type': 'text/plain' }, body: 'x' }
    for (let i = 0; i < 300; i += 1) await fetch(`${server.url}/api/documents/old/append`, append)
    back()
    await saved(ann)
    assert.equal(ann.text, `aB-Bc!${'x'.repeat(300)}`)
    await same(bob, ann.text)
    assert.deepEqual(ann.refused, [])
  })

  it('notices that something did not come, and hears of it', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('gap', 'abc')
    const relay = new WebSocketServer({ port: 0, host: '127.0.0.1' })
    t.after(() => relay.close())
    await once(relay, 'listening')
    const [said, heard, lost] = [[], [], []]
    relay.on('connection', async (socket, { url }) => {
      const there = new WebSocket(`ws://127.0.0.1:${server.port}${url}`, 'ropewalk.text.v1')
      const open = once(there, 'open')
      socket.on('message', async (data) => {
        said.push(JSON.parse(data))
        await open
        there.send(`${data}`)
      })
      there.on('message', (data) => {
        const message = JSON.parse(data)
        if (message.type === 'remote' && !lost.length) return lost.push(message)
        heard.push(message)
        socket.send(`${data}`)
      })
      socket.on('close', () => there.terminate())
    })
    const ann = join(t, { port: relay.address().port }, 'gap')
    await same(ann, 'abc')
    const append = (body) => fetch(`${server.url}/api/documents/gap/append`, { method: 'POST', headers: { 'content-type': 'text/plain' }, body })
    await append('d')
    await until('it is lost', () => lost.length)
    await append('e')
    await same(ann, 'abcde')
    ann.edit(5, 5, 'f')
    await saved(ann)
    assert.equal(await server.text('gap'), 'abcdef')
    const since = said.filter(({ type }) => type === 'hello').map(({ since }) => since)
    const welcomes = heard.filter(({ type }) => type === 'welcome')
    assert.deepEqual(since, [undefined, welcomes[0].version])
    assert.deepEqual(welcomes[1].edits, [{ from: 3, to: 3, insert: 'de' }])
  })

  it('divides no surrogate pair where it compares texts', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = join(t, server, 'pair')
    ann.edit(0, 0, '💚')
    await saved(ann)
    const url = ann.url
    ann.url = 'ws://127.0.0.1:9/'
    ann.socket.terminate()
    ann.edit(2, 2, 'x')
    const turn = (find, replace) =>
      fetch(`${server.url}/api/documents/pair/text`, {
        method: 'PATCH',
        headers: { 'content-type': 'application/json' },
        body: JSON.stringify({ find, replace }),
      })
    // Hearts differ in their second half alone; and so often that the version is too old.
    for (let i = 0; i < 150; i += 1) {
      assert.equal((await turn('💚', '💛')).status, 200)
      if (i < 149) assert.equal((await turn('💛', '💚')).status, 200)
    }
    ann.url = url
    await saved(ann)
    assert.equal(ann.text, 'x💛')
    assert.equal(await server.text('pair'), 'x💛')
    assert.deepEqual(ann.refused, [])
  })

  it('hands back what it had when the document is another one', async (t) => {
    const server = await Ropewalk.start(t)
    const [ann, back] = await breakOff(t, server, 'new')
    const idle = join(t, server, 'new')
    await same(idle, 'abc')
    idle.url = ann.url
    idle.socket.terminate()
    await fetch(`${server.url}/api/documents/new`, { method: 'DELETE' })
    await server.create('new', 'another')
    back()
    idle.url = ann.url
    for (const client of [ann, idle]) {
      await same(client, 'another')
      await saved(client)
    }
    assert.deepEqual(ann.refused, [['replaced: this is another document now', 'aB-Bc!']])
    assert.deepEqual(idle.refused, [])
    assert.equal(await server.text('new'), 'another')
  })
})
