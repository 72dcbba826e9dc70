// Keys of document tokens at a URL: new ones come by themselves, and those that cannot be fetched take nothing away.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { describe, it } from 'node:test'
import { HocuspocusProvider, HocuspocusProviderWebsocket } from '@hocuspocus/provider'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { Ropewalk, until } from './harness.js'
import { jwt, newKey } from './issuer.js'

const payload = () => ({ name: 'Zoe', doc: '*', access: 'edit', exp: Math.floor(Date.now() / 1000) + 300 })

/** An application that publishes keys. */
async function application(t) {
  const app = { keys: [], asked: 0, answer: null }
  const server = createServer((request, response) => {
    app.asked += 1
    if (app.answer) return app.answer(response)
    response.setHeader('content-type', 'application/json')
    response.end(JSON.stringify({ keys: app.keys }))
  })
  app.open = async (port = 0) => {
    server.listen(port, '127.0.0.1')
    await once(server, 'listening')
    app.url = `http://127.0.0.1:${server.address().port}/keys`
    return server.address().port
  }
  app.close = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  t.after(app.close)
  return app
}

async function start(t, app) {
  const server = await Ropewalk.start(t, '--token-keys', app.url, '--log', 'trace')
  await server.addAdministrator('ann')
  return server
}

/** What somebody with this token is answered. */
async function asks(server, token) {
  const response = await fetch(`${server.url}/api/documents`, { headers: { authorization: `Bearer ${token}` } })
  return response.status
}

async function failures(server) {
  const response = await fetch(`${server.url}/metrics`, { headers: server.headers })
  return Number((await response.text()).match(/^ropewalk_token_keys_failed_total (\d+)/m)[1])
}

describe('keys at a URL', { concurrency: 4 }, () => {
  it('are asked for again when a token has another, and not too often', async (t) => {
    const app = await application(t)
    await app.open()
    const [one, two, three] = [newKey('one'), newKey('two', 'ec'), newKey('three')]
    app.keys = [one.public]
    const server = await start(t, app)
    assert.equal(await asks(server, jwt(one, payload())), 200)
    assert.equal(app.asked, 1)

    app.keys = [one.public, two.public]
    const doc = new Y.Doc()
    const provider = new WebsocketProvider(`ws://127.0.0.1:${server.port}/yjs`, 'notes', doc, { params: { token: jwt(two, payload()) }, WebSocketPolyfill: WebSocket, disableBc: true })
    t.after(() => {
      provider.destroy()
      provider.awareness.destroy()
    })
    await until('whoever has the new key is let in', () => provider.synced)
    assert.equal(app.asked, 2)

    // Somebody makes keys up.
    for (let n = 0; n < 20; n++) assert.equal(await asks(server, jwt({ ...three, kid: `made up ${n}` }, payload())), 401)
    assert.equal(app.asked, 2)
    assert.equal(await asks(server, jwt(one, payload())), 200)
    assert.ok(!server.log.includes('eyJ'), 'a token is in the log')
  })

  it('let in who comes by Hocuspocus', async (t) => {
    const app = await application(t)
    await app.open()
    const server = await start(t, app)
    const key = newKey('new', 'ec')
    app.keys = [key.public]
    const socket = new HocuspocusProviderWebsocket({ url: `ws://127.0.0.1:${server.port}/hocuspocus`, WebSocketPolyfill: WebSocket })
    const provider = new HocuspocusProvider({ websocketProvider: socket, name: 'notes', token: jwt(key, payload()), document: new Y.Doc() })
    provider.attach()
    t.after(() => {
      provider.destroy()
      socket.destroy()
    })
    await until('it is synced', () => provider.isSynced)
  })

  it('keep no other document of a socket waiting while they are fetched', async (t) => {
    const app = await application(t)
    await app.open()
    const [one, two] = [newKey('one'), newKey('two', 'ec')]
    app.keys = [one.public]
    const server = await start(t, app)
    const held = []
    app.answer = (response) => held.push(response)
    const socket = new HocuspocusProviderWebsocket({ url: `ws://127.0.0.1:${server.port}/hocuspocus`, WebSocketPolyfill: WebSocket })
    t.after(() => socket.destroy())
    const join = (name, token) => {
      const provider = new HocuspocusProvider({ websocketProvider: socket, name, token, document: new Y.Doc() })
      provider.attach()
      t.after(() => provider.destroy())
      provider.text = provider.document.getText('text')
      provider.text.insert(0, name)
      return provider
    }
    let token = jwt(one, payload())
    const renewed = join('renewed', () => token)
    const good = join('good', token)
    const saved = (provider) => provider.isSynced && !provider.hasUnsyncedChanges
    await until('they are in', () => saved(renewed) && saved(good))
    // One comes with a new key, one goes on with another.
    const slow = join('slow', jwt(two, payload()))
    token = jwt(two, payload())
    await renewed.sendToken()
    await until('the keys are asked for', () => held.length > 0)
    for (const provider of [slow, renewed, good]) provider.text.insert(0, 'more of ')
    await until('the other goes on', () => saved(good))
    assert.equal(await server.text('good'), 'more of good')
    assert.ok(!slow.isSynced && slow.hasUnsyncedChanges && renewed.hasUnsyncedChanges, 'they wait')
    for (const response of held) response.end(JSON.stringify({ keys: [one.public, two.public] }))
    await until('all are in', () => [slow, renewed, good].every(saved))
    for (const name of ['slow', 'renewed', 'good']) assert.equal(await server.text(name), `more of ${name}`)
  })

  it('need not be there at the start', async (t) => {
    const app = await application(t)
    const port = await app.open()
    await app.close()
    const server = await start(t, app)
    await until('the log says so', () => /keys of document tokens cannot be fetched/.test(server.log))
    assert.equal(await failures(server), 1)
    const key = newKey('one', 'ec')
    app.keys = [key.public]
    await app.open(port)
    assert.equal(await asks(server, jwt(key, payload())), 200)
    assert.match(server.log, /keys of document tokens are there again/)
  })

  it('count on when they cannot be fetched, or what is answered is none', async (t) => {
    await Promise.all(Object.entries({
      'an error': (response) => response.writeHead(500).end(),
      'a page': (response) => response.end('<html>'),
      'a redirect': (response) => response.writeHead(302, { location: '/elsewhere' }).end(),
      'without end': (response) => {
        const more = () => { while (!response.destroyed && response.write(' '.repeat(65536))); }
        response.on('drain', more)
        more()
      }
    }).map(async ([what, answer]) => {
      const app = await application(t)
      await app.open()
      const key = newKey('one', 'ec')
      app.keys = [key.public]
      const server = await start(t, app)
      assert.equal(await asks(server, jwt(key, payload())), 200)
      app.answer = answer
      assert.equal(await asks(server, jwt(newKey('two', 'ec'), payload())), 401)
      assert.equal(app.asked, 2, what)
      assert.equal(await failures(server), 1, what)
      assert.equal(await asks(server, jwt(key, payload())), 200, what)
    }))
  })

  it('are for signatures that only their owner can make', async (t) => {
    const app = await application(t)
    await app.open()
    const key = newKey('one')
    const secret = Buffer.alloc(32, 7)
    app.keys = [key.public, { kty: 'oct', kid: 'shared', alg: 'HS256', k: secret.toString('base64url') }]
    const server = await start(t, app)
    const shared = { kid: 'shared', alg: 'HS256', shared: secret }
    const pem = key.publicKey.export({ type: 'spki', format: 'pem' })
    for (const [what, token] of Object.entries({
      'a shared key that is published': jwt(shared, payload()),
      'the public key as a shared one': jwt({ ...key, shared: pem }, payload(), { alg: 'HS256' }),
      'no signature': jwt(key, payload(), { alg: 'none' }),
      'another key of the same name': jwt(newKey('one'), payload())
    })) assert.equal(await asks(server, token), 401, what)
    assert.equal(await asks(server, jwt(key, payload())), 200)
    const { kid, ...nameless } = key
    assert.equal(await asks(server, jwt(nameless, payload(), { kid: undefined })), 200, 'a token that does not name its key')
  })
})
