// The unmodified client and SDK of y-sweet.

import assert from 'node:assert/strict'
import { renameSync } from 'node:fs'
import { describe, it } from 'node:test'
import { createYjsProvider } from '@y-sweet/client'
import { DocumentManager } from '@y-sweet/sdk'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { Person, Ropewalk, until } from './harness.js'

/** The SDK as an app's backend uses it. */
const manager = (server) => new DocumentManager(`ys://127.0.0.1:${server.port}`)

/**
 * Sockets of a guest, who does not tell when it gives one up. What lay in it then was said in time: this process was late. Otherwise the server
 * has failed, or has ended it.
 */
const socketsOf = (guest) => class extends WebSocket {
  constructor(...args) {
    super(...args)
    this.on('message', () => { this.isInTime = this.isGivenUp })
    this.on('close', () => { guest.failed += this.isInTime ? 0 : 1 })
  }

  close(...why) {
    this.isGivenUp = true
    super.close(...why)
  }
}

/** Somebody in a document that is there. */
class Guest {
  constructor(t, server, name, doc = new Y.Doc()) {
    this.doc = doc
    this.text = doc.getText('text')
    /** Connections that the server ended, or in which it was silent for too long. */
    this.failed = 0
    this.provider = createYjsProvider(doc, name, () => this.gone ?? manager(server).getClientToken(name), { WebSocketPolyfill: socketsOf(this), showDebuggerLink: false })
    this.closes = 0
    this.codes = []
    this.provider.on('connection-close', (event) => {
      this.closes += 1
      this.codes.push(event?.code)
    })
    t.after(() => this.leave())
  }

  leave() {
    // Told to disconnect, it tries to connect again for ever: here it waits for ever.
    this.gone = new Promise(() => {})
    this.provider.connect = async () => {}
    this.provider.disconnect()
    this.provider.destroy()
    this.provider.awareness.destroy()
  }

  /** Connected, and everything is on the server's disk. */
  async saved() {
    await until(() => `saved: ${this}`, () => this.provider.status === 'connected' && !this.provider.hasLocalChanges)
    return this
  }

  async untilText(text) {
    await until(() => `the text is ${text}: ${this}`, () => this.text.toString() === text)
  }

  toString() {
    return `${JSON.stringify(this.text.toString().slice(0, 200))}, ${this.provider.status}, local changes ${this.provider.hasLocalChanges}`
  }
}

describe('y-sweet', { concurrency: true }, () => {
  it('makes documents, tells where they are, and reads and changes them', async (t) => {
    const server = await Ropewalk.start(t)
    const sdk = manager(server)
    assert.deepEqual(await sdk.checkStore(), { ok: true })
    assert.deepEqual(await sdk.createDoc('notes/a b'), { docId: 'notes/a b' })
    assert.deepEqual(await sdk.createDoc('notes/a b'), { docId: 'notes/a b' }, 'again is no error')
    assert.deepEqual(await sdk.getClientToken('notes/a b'), {
      url: `ws://127.0.0.1:${server.port}/d/notes/a%20b/ws`, baseUrl: `http://127.0.0.1:${server.port}/d/notes/a%20b`, docId: 'notes/a b', authorization: 'full'
    })
    const doc = new Y.Doc()
    doc.getText('text').insert(0, 'words')
    await sdk.updateDoc('notes/a b', Y.encodeStateAsUpdate(doc))
    await server.kill()
    await server.startAgain()
    assert.equal(await server.text('notes/a b'), 'words')
    const copy = new Y.Doc()
    Y.applyUpdate(copy, await manager(server).getDocAsUpdate('notes/a b'))
    assert.equal(copy.getText('text').toString(), 'words')
    const { docId } = await manager(server).createDocWithContent(Y.encodeStateAsUpdate(doc))
    assert.match(docId, /^[a-z2-7]{24}$/)
    assert.equal(await server.text(docId), 'words')
  })

  it('refuses what it must with a clear error', async (t) => {
    const server = await Ropewalk.start(t)
    const sdk = manager(server)
    const refused = async (asked, status) => assert.rejects(asked, (error) => error.cause.status === status)
    await refused(sdk.getClientToken('absent'), 404)
    await refused(sdk.createDoc('a//b'), 400)
    await sdk.createDoc('here')
    await refused(sdk.getClientToken('here', { authorization: 'read-only' }), 501)
    await refused(sdk.updateDoc('here', new Uint8Array([1, 2, 3])), 400)
    for (const [method, path, body, status] of [
      ['POST', '/doc/new', '{', 400], ['POST', '/doc/new', '{"docId":7}', 400], ['POST', '/doc/here', '{}', 404], ['POST', '/doc/here/auth', '[', 400],
      ['POST', '/doc/here/auth', '{"authorization":"all"}', 400], ['GET', '/d/here', undefined, 404], ['GET', '/d/absent/as-update', undefined, 404],
      ['POST', '/d/absent/update', '', 404], ['POST', '/d/here/as-update', '', 404], ['GET', '/d/here/ws/here', undefined, 404]
    ]) {
      const response = await fetch(server.url + path, { method, body, headers: body === undefined ? {} : { 'content-type': 'application/json' } })
      assert.equal(response.status, status, `${method} ${path} ${body}`)
      assert.ok((await response.json()).code, 'a code for programs')
    }
    // Nothing in the name of somebody who is connected, and nothing of what was deleted.
    const ann = await new Person(t, server, 'here', { name: 'Ann' }).synced()
    const forged = new Y.Doc()
    forged.clientID = ann.doc.clientID
    forged.getText('text').insert(0, 'forged')
    await ann.untilPeople('Ann')
    await until('she is known', async () => {
      const error = await sdk.updateDoc('here', Y.encodeStateAsUpdate(forged)).then(() => null, (error) => error)
      return error?.cause.status === 409
    })
    ann.leave()
    const old = new Y.Doc()
    old.getText('text').insert(0, 'old')
    await sdk.createDoc('again')
    await sdk.updateDoc('again', Y.encodeStateAsUpdate(old))
    await fetch(`${server.url}/api/documents/again`, { method: 'DELETE' })
    await refused(sdk.updateDoc('again', Y.encodeStateAsUpdate(old)), 410)
    await sdk.createDoc('again')
    await refused(sdk.updateDoc('again', Y.encodeStateAsUpdate(old)), 409)
    assert.equal(await server.text('again'), '')
  })

  it('edits beside y-websocket, and sees who is there', async (t) => {
    const server = await Ropewalk.start(t)
    await manager(server).createDoc('notes/both')
    const ann = await new Guest(t, server, 'notes/both').saved()
    const bob = await new Person(t, server, 'notes/both', { name: 'Bob' }).synced()
    ann.provider.awareness.setLocalStateField('user', { name: 'Ann' })
    await bob.untilPeople('Ann', 'Bob')
    const names = () => [...ann.provider.awareness.getStates().values()].map((state) => state.user?.name).sort().join()
    await until(() => `Ann sees both: ${names()}`, () => names() === 'Ann,Bob')
    for (let i = 0; i < 50; i++) {
      ann.text.insert(0, `a${i} `)
      bob.text.insert(bob.text.length, `b${i} 💚`)
    }
    await until(() => `equal: ${ann} ${bob}`, () => ann.text.toString() === bob.text.toString() && ann.text.toString().includes('b49') && ann.text.toString().includes('a49'))
    await ann.saved()
    assert.equal(await server.text('notes/both'), ann.text.toString())
  })

  it('says that changes are saved only when they are, offline ones too', async (t) => {
    const server = await Ropewalk.start(t)
    await manager(server).createDoc('saved')
    const ann = await new Guest(t, server, 'saved').saved()
    let armed = false
    ann.provider.on('local-changes', (changes) => {
      if (armed && !changes) server.child.kill('SIGKILL')
    })
    for (let round = 0; round < 5; round++) {
      await server.kill()
      await until('gone', () => ann.provider.status !== 'connected')
      ann.text.insert(ann.text.length, `offline ${round} `)
      assert.ok(ann.provider.hasLocalChanges)
      armed = true
      await server.startAgain()
      await until('said to be saved, and killed', () => server.child.signalCode)
      armed = false
      const promised = ann.text.toString()
      await server.startAgain()
      assert.equal(await server.text('saved'), promised)
      await ann.saved()
    }
  })

  it('waits for a slow disk, and does not take for saved what is not', async (t) => {
    const server = await Ropewalk.start(t)
    const disk = await server.startPreloaded(t)
    await manager(server).createDoc('slow')
    const ann = await new Guest(t, server, 'slow').saved()
    // Who does not give up, and so makes no news when ann does.
    const bob = await new Person(t, server, 'slow').synced()
    disk.wait()
    ann.text.insert(0, 'words')
    await bob.untilText('words')
    let early = false
    ann.provider.on('local-changes', (changes) => { early ||= !changes })
    // It is told after a second that saving is slow, asks 2 s later, and waits 3 s for a sign of life: longer than that.
    const began = Date.now()
    await until('7 s, or it gave up', () => Date.now() - began > 7000 || ann.failed > 0)
    assert.ok(ann.provider.hasLocalChanges && !early, 'it cannot be on disk')
    assert.equal(ann.failed, 0)
    disk.goOn()
    await ann.saved()
    assert.equal(ann.failed, 0)
    await server.kill()
    await server.startAgain()
    assert.equal(await server.text('slow'), 'words')
  })

  it('does not take for saved what the disk refuses, and brings it when there is one', async (t) => {
    const server = await Ropewalk.start(t)
    await manager(server).createDoc('refused')
    const ann = await new Guest(t, server, 'refused').saved()
    ann.text.insert(0, 'safe ')
    await ann.saved()
    let early = false
    const watch = (changes) => { early ||= !changes }
    const isReady = async () => (await fetch(`${server.url}/readyz`)).status === 200
    const database = `${server.data}/ropewalk.db`
    renameSync(database, `${database}.away`)
    ann.text.insert(5, 'words')
    ann.provider.on('local-changes', watch)
    // By the server: it has not given up by itself.
    await until('it is sent away', () => ann.closes > 0)
    assert.equal(ann.codes[0], 1011)
    await until('it has tried again', () => ann.closes > 2)
    assert.ok(ann.provider.hasLocalChanges && !early)
    assert.ok(!(await isReady()))
    ann.provider.off('local-changes', watch)
    renameSync(`${database}.away`, database)
    await until('the server is ready', isReady)
    await ann.saved()
    assert.equal(await server.text('refused'), 'safe words')
  })

  it('gives up a server that has stopped, and has everything when it goes on', async (t) => {
    const server = await Ropewalk.start(t)
    await manager(server).createDoc('stopped')
    const ann = await new Guest(t, server, 'stopped').saved()
    server.child.kill('SIGSTOP')
    t.after(() => server.child.kill('SIGCONT'))
    ann.text.insert(0, 'words')
    let early = false
    const watch = (changes) => { early ||= !changes }
    ann.provider.on('local-changes', watch)
    await until('it gives up', () => ann.provider.status !== 'connected')
    assert.ok(ann.provider.hasLocalChanges && !early)
    ann.provider.off('local-changes', watch)
    server.child.kill('SIGCONT')
    await ann.saved()
    assert.equal(await server.text('stopped'), 'words')
  })

  it('stays connected alone', async (t) => {
    const server = await Ropewalk.start(t)
    await manager(server).createDoc('alone')
    const ann = await new Guest(t, server, 'alone').saved()
    const began = Date.now()
    await until('12 s, or it lost the connection', () => Date.now() - began > 12_000 || ann.failed > 0)
    assert.equal(ann.failed, 0)
  })
})
