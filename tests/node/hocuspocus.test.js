// The unmodified provider of Hocuspocus.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { describe, it } from 'node:test'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { Person, readme, Ropewalk, run, until } from './harness.js'

/** A socket of the provider's own. */
function connect(t, server) {
  const socket = new HocuspocusProviderWebsocket({ url: `ws://127.0.0.1:${server.port}/hocuspocus`, WebSocketPolyfill: WebSocket, delay: 100, minDelay: 50, maxDelay: 500 })
  t.after(() => socket.destroy())
  return socket
}

/** Somebody in a document. */
class Guest {
  constructor(t, socket, name, options = {}) {
    this.events = []
    const keep = (kind) => (data) => this.events.push([kind, data])
    this.provider = new HocuspocusProvider({
      websocketProvider: socket, name, token: 'any', ...options,
      onAuthenticated: keep('in'), onAuthenticationFailed: keep('refused'), onClose: keep('closed'), onStateless: keep('stateless')
    })
    this.doc = this.provider.document
    this.text = this.doc.getText('text')
    this.provider.attach()
    t.after(() => this.provider.destroy())
  }

  async synced() {
    await until(() => `synced: ${this}`, () => this.provider.synced && !this.provider.hasUnsyncedChanges)
    return this
  }

  async untilText(text) {
    await until(() => `the text is ${JSON.stringify(text)}: ${this}`, () => this.text.toString() === text)
  }

  /** What the server said of one kind. */
  said(kind) {
    return this.events.filter(([k]) => k === kind).map(([, data]) => data)
  }

  toString() {
    return `${JSON.stringify(this.text.toString().slice(0, 200))}, synced ${this.provider.synced}, unsynced ${this.provider.unsyncedChanges}, ${JSON.stringify(this.events.map(([k, d]) => [k, d?.event?.code, d?.event?.reason]))}`
  }
}

describe('Hocuspocus', { concurrency: true }, () => {
  it('syncs both ways, beside y-websocket', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Guest(t, connect(t, server), 'notes/both').synced()
    const bob = await new Guest(t, connect(t, server), 'notes/both').synced()
    const cy = await new Person(t, server, 'notes/both').synced()
    assert.deepEqual(ann.said('in'), [{ scope: 'read-write' }])
    for (let i = 0; i < 50; i++) {
      ann.text.insert(0, `a${i} `)
      bob.text.insert(bob.text.length, `b${i} 💚`)
      cy.text.insert(Math.floor(cy.text.length / 2), `c${i}`)
    }
    bob.text.delete(0, 3)
    const all = [ann, bob, cy]
    await until(() => `all are equal: ${all}`, () => new Set(all.map((one) => one.text.toString())).size === 1 && ['a49', 'b49', 'c49'].every((part) => ann.text.toString().includes(part)))
    await ann.synced()
    await until('the server has it', async () => (await server.text('notes/both')) === ann.text.toString())
  })

  it('is used as the README says', async (t) => {
    const server = await Ropewalk.start(t)
    const program = run(t, server, `${readme('new HocuspocusProvider(')}\ntext.insert(0, 'words')`)
    const bob = await new Person(t, server, 'notes/today.md').synced()
    await bob.untilText('words')
    assert.equal(program.printed, '')
  })

  it('carries several documents, sessions of one too, over one socket', async (t) => {
    const server = await Ropewalk.start(t)
    const socket = connect(t, server)
    const guests = []
    for (const name of ['one', 'two', 'three']) {
      for (let i = 0; i < 2; i++) guests.push(new Guest(t, socket, name, { sessionAwareness: true }))
    }
    for (const guest of guests) await guest.synced()
    guests.forEach((guest, i) => guest.text.insert(0, `${i}`))
    for (const [i, name] of ['one', 'two', 'three'].entries()) {
      const pair = guests.slice(2 * i, 2 * i + 2)
      await until(() => `both have both: ${pair}`, () => pair.every((guest) => [...guest.text.toString()].sort().join('') === `${2 * i}${2 * i + 1}`))
      await until('the server has it', async () => (await server.text(name)) === pair[0].text.toString())
    }
    // One of them leaves; the others stay.
    guests[0].provider.destroy()
    guests[1].text.insert(0, 'still here ')
    await guests[1].synced()
    assert.ok((await server.text('one')).startsWith('still here '))
  })

  it('counts an edit as synced only when it is on disk', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Guest(t, connect(t, server), 'saved').synced()
    let armed = false
    ann.provider.on('unsyncedChanges', ({ number }) => {
      if (armed && number === 0) server.child.kill('SIGKILL')
    })
    for (let round = 0; round < 5; round++) {
      armed = true
      for (let i = 0; i < 20; i++) ann.text.insert(ann.text.length, `${round}.${i} `)
      await until('said to be synced, and killed', () => server.child.signalCode)
      armed = false
      const promised = ann.text.toString()
      ann.text.insert(ann.text.length, 'maybe ')
      await server.startAgain()
      assert.ok((await server.text('saved')).startsWith(promised))
      await ann.synced()
      assert.equal(await server.text('saved'), ann.text.toString())
    }
  })

  it('counts what was typed before it came as synced only when all of that is on disk', async (t) => {
    const server = await Ropewalk.start(t)
    for (let round = 0; round < 5; round++) {
      const ann = new Guest(t, connect(t, server), `early/${round}`)
      let promised
      ann.provider.on('unsyncedChanges', ({ number }) => {
        if (number > 0 || promised !== undefined) return
        promised = ann.text.toString()
        server.child.kill('SIGKILL')
      })
      for (let i = 0; i < 20; i++) ann.text.insert(ann.text.length, `${i} `)
      // Some more while it comes in: the server cannot tell them from those.
      if (round === 4) ann.provider.on('authenticated', () => ann.text.insert(ann.text.length, 'more'))
      await until('said to be synced, and killed', () => server.child.signalCode)
      await server.startAgain()
      assert.ok((await server.text(`early/${round}`)).startsWith(promised), `round ${round}`)
      await ann.synced()
      assert.equal(await server.text(`early/${round}`), ann.text.toString())
    }
  })

  it('forces a sync without counting more as saved than there is', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Guest(t, connect(t, server), 'forced').synced()
    const seen = []
    ann.provider.on('unsyncedChanges', ({ number }) => seen.push(number))
    for (let i = 0; i < 5; i++) {
      ann.provider.forceSync()
      ann.text.insert(0, 'x')
      await ann.synced()
    }
    // Each question counts as one, and so does each edit: both have to be answered.
    assert.equal(seen.filter((number) => number === 0).length, 5, `${seen}`)
  })

  it('shows who is there, on every wire', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Guest(t, connect(t, server), 'people').synced()
    ann.provider.setAwarenessField('user', { name: 'Ann' })
    const bob = await new Person(t, server, 'people', { name: 'Bob' }).synced()
    await bob.untilPeople('Ann', 'Bob')
    const names = () => [...ann.provider.awareness.getStates().values()].map((state) => state.user?.name).sort().join()
    await until(() => `Ann sees both: ${names()}`, () => names() === 'Ann,Bob')
    ann.provider.destroy()
    await bob.untilPeople('Bob')
  })

  it('stays connected for longer than its 30 s of patience', async (t) => {
    const server = await Ropewalk.start(t)
    const socket = connect(t, server)
    let closes = 0
    socket.on('close', () => (closes += 1))
    await new Guest(t, socket, 'alone', { awareness: null }).synced()
    const began = Date.now()
    await until('40 s, or it lost the connection', () => Date.now() - began > 40_000 || closes > 0)
    assert.equal(closes, 0)
  })

  it('relays stateless messages to everybody else of its kind', async (t) => {
    const server = await Ropewalk.start(t)
    const [ann, bob] = [await new Guest(t, connect(t, server), 'talk').synced(), await new Guest(t, connect(t, server), 'talk').synced()]
    const cy = await new Person(t, server, 'talk').synced()
    ann.provider.sendStateless('hello 💚')
    await until('Bob hears it', () => bob.said('stateless').length > 0)
    assert.deepEqual(bob.said('stateless'), [{ payload: 'hello 💚' }])
    assert.deepEqual(ann.said('stateless'), [])
    cy.text.insert(0, 'x')
    await ann.untilText('x')
    assert.deepEqual(cy.closes, [])
  })

  it('ends one document of a socket and not the others', async (t) => {
    const server = await Ropewalk.start(t)
    const socket = connect(t, server)
    let closes = 0
    socket.on('close', () => (closes += 1))
    const [kept, gone] = [await new Guest(t, socket, 'kept').synced(), await new Guest(t, socket, 'gone').synced()]
    gone.text.insert(0, 'words')
    await gone.synced()
    assert.equal((await fetch(`${server.url}/api/documents/gone`, { method: 'DELETE' })).status, 204)
    await until(() => `closed: ${gone}`, () => gone.said('closed').length > 0)
    assert.equal(gone.said('closed')[0].event.reason, 'document deleted')
    const bad = new Guest(t, socket, 'bad/../name')
    await until(() => `refused: ${bad}`, () => bad.said('closed').length > 0)
    assert.equal(bad.said('closed')[0].event.reason, 'bad document name')
    kept.text.insert(0, 'goes on')
    await kept.synced()
    assert.equal(await server.text('kept'), 'goes on')
    assert.equal(closes, 0)
  })

  it('refuses one document of a socket, lets another be read, and goes on with the rest', async (t) => {
    const server = await Ropewalk.start(t)
    await server.addAdministrator('ann')
    await server.addPerson('bob')
    const socket = connect(t, server)
    let closes = 0
    socket.on('close', () => (closes += 1))
    const mine = await server.makeToken('ann', 'edit', 'mine/*')
    const kept = await new Guest(t, socket, 'mine/kept', { token: mine }).synced()
    // Before there is anything in a document it is nobody's.
    kept.text.insert(0, 'kept')
    await kept.synced()
    const refused = [
      new Guest(t, socket, 'mine/unknown', { token: 'rwt_made-up' }),
      new Guest(t, socket, 'mine/empty', { token: '' }),
      new Guest(t, socket, 'elsewhere', { token: mine }),
      new Guest(t, socket, 'mine/kept', { token: await server.makeToken('bob', 'edit'), sessionAwareness: true })
    ]
    const reader = new Guest(t, socket, 'mine/kept', { token: await server.makeToken('ann', 'read', 'mine/*'), sessionAwareness: true })
    for (const guest of refused) guest.text.insert(0, 'not for them')
    kept.text.insert(4, ' goes on')
    for (const guest of refused) await until(() => `refused: ${guest}`, () => guest.said('refused').length > 0)
    assert.deepEqual(refused.map((guest) => guest.said('refused')[0].reason), ['sign in first', 'sign in first', 'this document is not shared with you', 'this document is not shared with you'])
    await reader.untilText('kept goes on')
    assert.deepEqual(reader.said('in')[0], { scope: 'readonly' })
    await kept.synced()
    kept.text.insert(12, ' still')
    await kept.synced()
    assert.equal(await server.text('mine/kept'), 'kept goes on still')
    const { documents } = await (await fetch(`${server.url}/api/documents`, { headers: server.headers })).json()
    assert.deepEqual(documents.map(({ name }) => name), ['mine/kept'])
    assert.equal(closes, 0)
    for (const guest of refused) assert.ok(guest.provider.hasUnsyncedChanges && !guest.provider.isAuthenticated, 'what they typed is not taken for saved')
    // With a token that counts it is let in, on the same socket.
    const [again] = refused
    again.provider.configuration.token = mine
    await again.provider.sendToken()
    again.provider.startSync()
    await again.synced()
    assert.equal(await server.text('mine/unknown'), 'not for them')
    assert.equal(closes, 0)
  })

  it('waits for a token that is fetched while somebody types', async (t) => {
    const server = await Ropewalk.start(t)
    await server.addAdministrator('ann')
    const mine = await server.makeToken('ann', 'edit', 'mine/*')
    const socket = connect(t, server)
    const kept = await new Guest(t, socket, 'mine/kept', { token: mine }).synced()
    let fetched
    const late = new Guest(t, socket, 'mine/late', { token: () => new Promise((resolve) => (fetched = resolve)) })
    await until('a token is fetched', () => fetched)
    for (const word of ['typed ', 'meanwhile']) {
      late.text.insert(late.text.length, word)
      kept.text.insert(0, word)
      await kept.synced()
    }
    assert.equal(late.provider.unsyncedChanges, 2)
    fetched(mine)
    await late.synced()
    late.text.insert(0, 'was ')
    await late.synced()
    assert.equal(await server.text('mine/late'), 'was typed meanwhile')
    assert.deepEqual([late.said('refused'), late.said('closed')], [[], []])
  })

  it('ends a document that was replaced, sets aside what its editor had, and goes on with the others', async (t) => {
    const server = await Ropewalk.start(t)
    const socket = connect(t, server)
    let closes = 0
    const [kept, old] = [await new Guest(t, socket, 'kept').synced(), await new Guest(t, socket, 'old').synced()]
    old.text.insert(0, 'old words')
    await old.synced()
    socket.disconnect()
    await until('gone', () => !old.provider.synced)
    old.text.insert(9, ' and more')
    kept.text.insert(0, 'goes on')
    assert.equal((await fetch(`${server.url}/api/documents/old`, { method: 'DELETE' })).status, 204)
    await server.create('old', 'new words')
    socket.on('close', () => (closes += 1))
    await socket.connect()
    await until(() => `closed: ${old}`, () => old.said('closed').some(({ event }) => /replaced/.test(event?.reason)))
    await kept.synced()
    assert.equal(await server.text('kept'), 'goes on')
    assert.equal(await server.text('old'), 'new words')
    const { strays } = await (await fetch(`${server.url}/api/documents/old/strays`)).json()
    assert.equal(await (await fetch(`${server.url}/api/documents/old/strays/${strays[0].id}`)).text(), 'old words and more')
    assert.equal(closes, 0)
  })

  it('goes offline and comes back with what was written meanwhile', async (t) => {
    const server = await Ropewalk.start(t)
    const socket = connect(t, server)
    const ann = await new Guest(t, socket, 'offline').synced()
    const bob = await new Person(t, server, 'offline').synced()
    ann.text.insert(0, 'before ')
    await bob.untilText('before ')
    socket.disconnect()
    ann.text.insert(7, 'offline ')
    bob.text.insert(0, 'bob ')
    await until('gone', () => !ann.provider.synced)
    await socket.connect()
    await ann.untilText('bob before offline ')
    await ann.synced()
    assert.equal(await server.text('offline'), 'bob before offline ')
    assert.equal(Y.encodeStateVector(ann.doc).length, Y.encodeStateVector(bob.doc).length)
  })

  it('takes over the documents of a Hocuspocus server as the README says', async (t) => {
    const server = await Ropewalk.start(t)
    const old = new Y.Doc()
    old.getText('text').insert(0, 'words')
    const page = new Y.XmlElement('paragraph')
    page.insert(0, [new Y.XmlText('a page')])
    old.getXmlFragment('default').insert(0, [page])
    const stored = ['notes/a b', 'not//good', 'other'].map((name) => ({ name, data: Buffer.from(Y.encodeStateAsUpdate(old)).toString('base64') }))
    // Node has SQLite since 22.13 only: this stands for the table that the extension makes.
    const [line, ...rest] = readme('DatabaseSync').split('\n')
    assert.equal(line, "import { DatabaseSync } from 'node:sqlite'")
    const rows = `${JSON.stringify(stored)}.map(({ name, data }) => ({ name, data: Uint8Array.from(Buffer.from(data, 'base64')) }))`
    for (let times = 0; times < 2; times++) {
      const program = run(t, server, `class DatabaseSync { prepare = () => ({ all: () => ${rows} }) }\n${rest.join('\n')}`)
      await once(program, 'close')
      assert.equal(program.exitCode, 0)
      assert.match(program.printed, /\/d\/not\/\/good\/update .*bad_name/)
      assert.equal(await server.text('notes/a b'), 'words')
      assert.equal(await server.text('other'), 'words')
    }
    const html = await fetch(`${server.url}/api/documents/other/content?root=default&format=html`)
    assert.equal(await html.text(), '<p>a page</p>')
    const asked = () => fetch(html.url, { headers: { 'If-None-Match': html.headers.get('etag') } })
    assert.equal((await asked()).status, 304)
    // Who still has it open goes on.
    const ann = await new Guest(t, connect(t, server), 'notes/a b', { document: old }).synced()
    page.insert(1, [new Y.XmlText(', and more')])
    old.getText('text').insert(5, ' more')
    await ann.synced()
    assert.equal(await server.text('notes/a b'), 'words more')
    const bob = await new Guest(t, connect(t, server), 'other').synced()
    bob.doc.getXmlFragment('default').get(0).get(0).insert(0, 'still ')
    await bob.synced()
    assert.equal((await asked()).status, 200)
  })
})
