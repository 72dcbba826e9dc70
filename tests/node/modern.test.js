// Yjs 14 and its provider, beside Yjs 13.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { WebsocketProvider } from '@y/websocket'
import * as Y from '@y/y'
import { WebSocket } from 'ws'
import { Person, Ropewalk, until } from './harness.js'

/** Somebody with Yjs 14, alone in its tab. */
class Modern {
  constructor(t, server, room, { name } = {}) {
    this.doc = new Y.Doc()
    this.text = this.doc.get('text')
    this.provider = new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, room, this.doc, { WebSocketPolyfill: WebSocket, disableBc: true })
    if (name) this.provider.awareness.setLocalStateField('user', { name })
    t.after(() => {
      this.provider.destroy()
      this.provider.awareness.destroy()
    })
  }

  async synced(is = true) {
    await until(() => `synced ${is}: ${this}`, () => this.provider.synced === is)
    return this
  }

  async untilText(text) {
    await until(() => `the text is ${JSON.stringify(text)}: ${this}`, () => this.text.toString() === text)
  }

  toString() {
    return `${JSON.stringify(this.text.toString().slice(0, 200))}, synced ${this.provider.synced}`
  }
}

describe('Yjs 14', { concurrency: true }, () => {
  it('edits beside Yjs 13', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Modern(t, server, 'both').synced()
    const bob = await new Person(t, server, 'both').synced()
    for (let i = 0; i < 50; i++) {
      ann.text.insert(0, `a${i} `)
      bob.text.insert(bob.text.length, `b${i} 💚`)
    }
    bob.text.delete(0, 3)
    await until(() => `equal: ${ann} ${bob}`, () => ann.text.toString() === bob.text.toString() && ['a49', 'b49'].every((part) => ann.text.toString().includes(part)))
    await until('the server has it', async () => (await server.text('both')) === ann.text.toString())
  })

  it('shares formats, maps and who is there with Yjs 13, after a restart too', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Modern(t, server, 'rich', { name: 'Ann' }).synced()
    const bob = await new Person(t, server, 'rich', { name: 'Bob' }).synced()
    await bob.untilPeople('Ann', 'Bob')
    const people = () => [...ann.provider.awareness.getStates().values()].map(({ user }) => user?.name).sort().join()
    await until(() => `Ann sees both: ${people()}`, () => people() === 'Ann,Bob')
    ann.text.insert(0, 'bold words')
    ann.text.format(0, 4, { bold: true })
    ann.doc.get('map').setAttr('by ann', [1, { two: 2 }])
    bob.doc.getMap('map').set('by bob', 'three')
    const delta = [{ insert: 'bold', attributes: { bold: true } }, { insert: ' words' }]
    const whole = (person) => {
      assert.deepEqual(person.text.toDelta(), delta)
      assert.deepEqual(person.doc.getMap('map').toJSON(), { 'by ann': [1, { two: 2 }], 'by bob': 'three' })
    }
    await until(() => `Bob has it: ${bob}`, () => bob.text.toDelta().length === 2 && bob.doc.getMap('map').size === 2)
    whole(bob)
    await until('Ann has his', () => ann.doc.get('map').getAttr('by bob') === 'three')
    await until('saved', async () => (await fetch(`${server.url}/api/documents/rich/content?format=json&root=map`)).json().then((map) => map?.['by bob']))
    await server.kill()
    await server.startAgain()
    whole(await new Person(t, server, 'rich').synced())
  })

  it('tells by its light whether it is connected, and merges what both wrote offline', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Modern(t, server, 'offline').synced()
    const bob = await new Person(t, server, 'offline').synced()
    ann.text.insert(0, 'the middle')
    await bob.untilText('the middle')
    ann.provider.disconnect()
    bob.provider.disconnect()
    ann.text.insert(0, 'ann ')
    bob.text.insert(10, ' bob')
    ann.provider.connect()
    bob.provider.connect()
    await ann.untilText('ann the middle bob')
    await bob.untilText('ann the middle bob')
    await server.kill()
    await ann.synced(false)
    ann.text.insert(0, 'meanwhile ')
    await server.startAgain()
    await ann.synced()
    await bob.untilText('meanwhile ann the middle bob')
    await until('the server has it', async () => (await server.text('offline')) === bob.text.toString())
  })

  it('gets its own update back only when that is on disk', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Modern(t, server, 'echo').synced()
    let armed = false
    const sync = ann.provider.messageHandlers[0]
    ann.provider.messageHandlers[0] = (encoder, decoder, ...rest) => {
      const update = decoder.arr[decoder.pos] === 2
      sync(encoder, decoder, ...rest)
      if (armed && update) server.child.kill('SIGKILL')
    }
    for (let round = 0; round < 5; round++) {
      armed = true
      ann.text.insert(ann.text.length, `${round} `)
      await until('killed', () => server.child.signalCode)
      armed = false
      await server.startAgain()
      assert.equal(await server.text('echo'), ann.text.toString())
      await ann.synced()
    }
  })
})
