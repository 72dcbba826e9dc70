// Issuers that lie, do not answer or answer for ever: nobody is signed in by them, and the server goes on.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import { setInterval } from 'node:timers/promises'
import { command, until } from './harness.js'
import { Agent, hostileIssuer, newKey, startWith } from './issuer.js'

const PASSWORD = 'seven ropes on a quay'

/** Tries until it fits; not so often that it is too often. */
async function tried(what, act) {
  const ends = Date.now() + 60_000
  for await (const _ of setInterval(250)) {
    const done = await act()
    if (done) return done
    assert.ok(Date.now() < ends, `in vain: ${what}`)
  }
}

async function start(t, ...args) {
  const both = await startWith(t, () => hostileIssuer(t), ...args)
  await command(both.server, ['user', 'add', 'ann', '--admin', '--password-stdin'], PASSWORD)
  await until('the server knows ann', async () => (await new Agent(both.server).state()).state === 'signed_out')
  return both
}

/** Goes to the issuer and comes back with a code, as everybody else does. */
async function goThere(agent, issuer, wanted, path) {
  const there = await agent.begin(path, wanted)
  const code = `code-${issuer.nonces.size}-of-which-no-log-tells`
  issuer.nonces.set(code, there.searchParams.get('nonce'))
  return { there, code, state: there.searchParams.get('state') }
}

async function signIn(agent, issuer, wanted) {
  const { code, state } = await goThere(agent, issuer, wanted)
  return agent.comeBack({ code, state })
}

describe('issuers', { concurrency: 4 }, () => {
  it('are believed if all is in order, once, and no log tells a secret', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    const zoe = new Agent(server)
    assert.equal((await zoe.state()).provider, 'Harbour')
    const { there, code, state } = await goThere(zoe, issuer, { next: '/edit/notes.md' })
    assert.equal(there.origin + there.pathname, `${issuer.url}/authorize`)
    const query = Object.fromEntries(there.searchParams)
    assert.deepEqual(
      { ...query, state: '', nonce: '', code_challenge: '' },
      { response_type: 'code', client_id: 'ropewalk', redirect_uri: `${server.url}/api/oidc/callback`, scope: 'openid profile', code_challenge_method: 'S256', state: '', nonce: '', code_challenge: '' }
    )
    for (const random of [query.state, query.nonce, query.code_challenge]) assert.ok(random.length >= 43, random)
    assert.equal(await zoe.comeBack({ code, state }), '/edit/notes.md')
    const { person } = await zoe.state()
    assert.deepEqual(person, { login: 'zoe', name: 'Zoe', color: null, is_admin: false, has_password: false })
    assert.ok(issuer.sent.get('code_verifier').length >= 43)
    const session = zoe.cookies.get(`${new URL(server.url).host} ropewalk`)

    // The same answer once more, also by the same browser.
    const asked = issuer.asked.length
    assert.equal(await zoe.comeBack({ code, state }), '/#oidc=expired')
    assert.equal(issuer.asked.length, asked, 'nobody is asked')
    assert.equal((await zoe.state()).person.login, 'zoe')

    issuer.mood = { claims: { nonce: 'of another' } }
    const eve = new Agent(server)
    const hers = await goThere(eve, issuer)
    assert.equal(await eve.comeBack({ code: hers.code, state: hers.state }), '/#oidc=untrue')
    assert.match(server.log, /WARN.*nonce/)
    for (const secret of [hers.code, hers.state, code, state, query.nonce, issuer.sent.get('code_verifier'), session, 'an-access-token', 'the secret of ropewalk', 'eyJ']) {
      assert.ok(!server.log.includes(secret), `the log tells ${secret}`)
    }
  })

  it('are not believed if anything is not', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    const other = newKey('one')
    const pem = issuer.key.publicKey.export({ type: 'spki', format: 'pem' })
    const now = Math.floor(Date.now() / 1000)
    for (const [what, mood] of Object.entries({
      'another issuer': { claims: { iss: 'http://127.0.0.1:1' } },
      'another audience': { claims: { aud: 'somebody' } },
      'one more audience': { claims: { aud: ['ropewalk', 'somebody'] } },
      'another nonce': { claims: { nonce: 'x'.repeat(43) } },
      'no nonce': { claims: { nonce: undefined } },
      'an end that is past': { claims: { iat: now - 900, exp: now - 600 } },
      'no signature': { header: { alg: 'none' } },
      'a shared key that is public': { header: { alg: 'HS256' }, key: { ...issuer.key, shared: pem } },
      'the secret of the client as a key': { header: { alg: 'HS256' }, key: { ...issuer.key, shared: 'the secret of ropewalk, of which no log tells' } },
      'a key of somebody else': { key: other },
      'no subject': { claims: { sub: undefined } },
      'no token': { tokens: { id_token: undefined } },
      'a token that is none': { tokens: { id_token: 'a.b.c' } },
      'an access token that is a header': { claims: { name: undefined }, tokens: { access_token: 'a\r\nb: c' } },
      'no user info where it is needed': { claims: { name: undefined } },
      'user info of somebody else': { claims: { name: undefined }, at: '/me', says: { sub: 'ann', name: 'Ann' } }
    })) {
      issuer.mood = mood
      const eve = new Agent(server)
      assert.equal(await signIn(eve, issuer), '/#oidc=untrue', what)
      assert.equal((await eve.state()).state, 'signed_out', what)
    }
    issuer.mood = {}
    const zoe = new Agent(server)
    const { code, state } = await goThere(zoe, issuer)
    assert.equal(await zoe.comeBack({ code, state, iss: 'http://127.0.0.1:1' }), '/#oidc=untrue', 'an answer of another issuer')
    assert.equal(await signIn(zoe, issuer), '/', 'the same with all in order')
  })

  it('that do not answer as they should keep nobody else', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    const local = new Agent(server)
    /** What is answered when the issuer is asked, and not only remembered. */
    const answered = () => tried('it is asked again', async () => {
      const before = issuer.asked.length
      const told = await new Agent(server).ask('POST', '/api/oidc', {})
      return issuer.asked.length > before && told
    })
    for (const mood of [{ redirect: true }, { huge: true }, { status: 503 }]) {
      issuer.mood = { at: '/openid-configuration', ...mood }
      const { status, body } = await answered()
      assert.deepEqual([status, body.code], [502, 'provider_unreachable'], JSON.stringify(mood))
      assert.equal((await fetch(`${server.url}/readyz`)).status, 200)
    }
    assert.ok(!issuer.asked.includes('/elsewhere'), 'a redirect was followed')
    assert.match(server.log, /more than 262144 bytes/)
    for (const discovery of [{ issuer: 'http://127.0.0.1:1' }, { authorization_endpoint: 'javascript:alert(1)' }, { jwks_uri: 'http://192.0.2.1/' }]) {
      issuer.mood = { discovery }
      assert.equal((await answered()).status, 502, JSON.stringify(discovery))
    }
    assert.equal((await local.ask('POST', '/api/session', { login: 'ann', password: PASSWORD })).status, 200)
    issuer.mood = {}
    const zoe = new Agent(server)
    await tried('it is asked again', async () => (await zoe.ask('POST', '/api/oidc', {})).status === 200)

    // Those who were there already.
    const ways = [{ at: '/token', redirect: true }, { at: '/token', huge: true }, { at: '/token', slow: true }, { at: '/token', drips: true }]
    const began = Date.now()
    const agents = await Promise.all(ways.map(async () => {
      const agent = new Agent(server)
      return { agent, ...(await goThere(agent, issuer)) }
    }))
    for (const [number, mood] of ways.entries()) {
      issuer.mood = mood
      const { agent, code, state } = agents[number]
      const waits = issuer.asked.length
      agents[number].back = agent.comeBack({ code, state })
      await until('it is asked', () => issuer.asked.length > waits)
    }
    const whys = await Promise.all(agents.map(({ back }) => back))
    assert.deepEqual(whys, ['/#oidc=untrue', '/#oidc=unreachable', '/#oidc=unreachable', '/#oidc=unreachable'])
    assert.ok(Date.now() - began < 25_000)
    assert.match(server.log, /no whole answer within 8 s/)
    assert.ok(!issuer.asked.includes('/elsewhere'))
    assert.match(await (await fetch(`${server.url}/metrics`, { headers: { cookie: [...local.cookies].map(([key, value]) => `${key.split(' ')[1]}=${value}`).join('; ') } })).text(), /^ropewalk_provider_failed_total [1-9]/m)
  })

  it('may have new keys', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    assert.equal(await signIn(new Agent(server), issuer), '/')
    issuer.key = newKey('two')
    const keys = () => issuer.asked.filter((path) => path === '/keys').length
    assert.equal(keys(), 1)
    assert.equal(await signIn(new Agent(server), issuer), '/')
    assert.equal(keys(), 2)
    // They are not asked for with each who comes with a token that nobody can check.
    issuer.mood = { key: newKey('three') }
    for (let n = 0; n < 3; n++) assert.equal(await signIn(new Agent(server), issuer), '/#oidc=untrue')
    assert.equal(keys(), 2)
  })

  it('are answered by the browser that was sent there, in each of its tabs', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    const [zoe, eve] = [new Agent(server), new Agent(server)]
    const first = await goThere(zoe, issuer, { next: '/edit/first' })
    const second = await goThere(zoe, issuer, { next: '/edit/second' })
    const of = ({ code, state }) => ({ code, state })

    // The code of one tab with the state of another.
    assert.equal(await zoe.comeBack({ code: second.code, state: first.state }), '/edit/first#oidc=untrue')
    assert.equal((await zoe.state()).state, 'signed_out')
    assert.equal(await zoe.comeBack(of(second)), '/edit/second')
    assert.equal((await zoe.state()).state, 'signed_in')

    // Somebody is sent the answer to what another has begun.
    const hers = await goThere(eve, issuer)
    const victim = new Agent(server)
    assert.equal(await victim.comeBack(of(hers)), '/#oidc=other_browser')
    assert.equal((await victim.state()).state, 'signed_out')
    assert.equal(await eve.comeBack(of(hers)), '/#oidc=expired', 'it is used up')
    for (const answer of [{}, { state: 'x' }, { code: 'x' }, { state: hers.state, code: hers.code, more: 'x' }]) {
      assert.equal(await eve.comeBack(answer), '/#oidc=expired')
    }
    const again = await goThere(eve, issuer)
    assert.equal(await eve.comeBack({ state: again.state, error: 'access_denied', error_description: '<script>' }), '/#oidc=denied')
    const third = await goThere(eve, issuer)
    assert.equal(await eve.comeBack({ state: third.state, error: 'evil words\n' }), '/#oidc=untrue')
    assert.doesNotMatch(server.log, /evil words/)
  })

  it('begin a session of which nobody knew', async (t) => {
    const { server, issuer } = await start(t, '--oidc-new-people', 'everyone')
    const zoe = new Agent(server)
    const key = `${new URL(server.url).host} ropewalk`
    await zoe.ask('POST', '/api/session', { login: 'ann', password: PASSWORD })
    const planted = zoe.cookies.get(key)
    assert.match(planted, /^rws_/)
    assert.equal(await signIn(zoe, issuer), '/')
    assert.notEqual(zoe.cookies.get(key), planted)
    assert.equal((await zoe.state()).person.login, 'zoe')
    const eve = new Agent(server)
    eve.cookies.set(key, planted)
    assert.equal((await eve.state()).state, 'signed_out', 'what was there before counts no more')
  })

  it('are linked to the account that is signed in, and to none that comes in between', async (t) => {
    const { server, issuer } = await start(t)
    await command(server, ['user', 'add', 'bob', '--password-stdin'], PASSWORD)
    const agent = new Agent(server)
    const local = (login) => agent.ask('POST', '/api/session', { login, password: PASSWORD })
    const password = PASSWORD
    assert.equal((await agent.ask('POST', '/api/identity', { password })).status, 401)
    assert.equal((await local('ann')).status, 200)
    // A session alone makes no other key to the account.
    assert.equal((await agent.ask('POST', '/api/identity', {})).status, 400)
    const guessed = await agent.ask('POST', '/api/identity', { password: 'a guess' })
    assert.deepEqual([guessed.status, guessed.body.code], [403, 'wrong_password'])
    const anns = await goThere(agent, issuer, { next: '/', password }, '/api/identity')
    await until('the server knows bob', async () => (await local('bob')).status === 200)
    assert.equal(await agent.comeBack({ code: anns.code, state: anns.state }), '/#oidc=expired')
    assert.equal((await agent.ask('GET', '/api/identity')).body.identity, null)
    const bobs = await goThere(agent, issuer, { next: '/edit/x', password }, '/api/identity')
    const twice = await goThere(agent, issuer, { next: '/', password }, '/api/identity')
    assert.equal(await agent.comeBack({ code: bobs.code, state: bobs.state }), '/edit/x#oidc=linked')
    assert.equal((await agent.state()).person.login, 'bob')
    // One account there takes no place of another.
    const more = await agent.ask('POST', '/api/identity', { password })
    assert.deepEqual([more.status, more.body.code], [409, 'bad_account'])
    assert.equal(await agent.comeBack({ code: twice.code, state: twice.state }), '/#oidc=linked_before')
    // One person there is one person here.
    assert.equal((await local('ann')).status, 200)
    const again = await goThere(agent, issuer, { password }, '/api/identity')
    assert.equal(await agent.comeBack({ code: again.code, state: again.state }), '/#oidc=taken')
    const { body } = await agent.ask('GET', '/api/audit')
    assert.equal(body.entries.filter(({ action, about }) => action === 'linked' && about === 'bob as zoe').length, 1)
  })

  it('send nobody to another place', async (t) => {
    const { server } = await start(t)
    const zoe = new Agent(server)
    for (const next of ['//evil.example', 'https://evil.example/', '/\\evil.example', '/\t/evil.example', 'javascript:alert(1)', '/api/oidc/callback', '', 7]) {
      assert.equal((await zoe.ask('POST', '/api/oidc', { next })).status, 400, next)
    }
    const response = await zoe.fetch(`${server.url}/api/oidc`, { method: 'POST', headers: { origin: 'http://evil.example', 'content-type': 'application/json' }, body: '{}' })
    assert.equal(response.status, 403)
    const elsewhere = server.url.replace('127.0.0.1', 'localhost')
    const other = await zoe.fetch(`${elsewhere}/api/oidc`, { method: 'POST', headers: { origin: elsewhere, 'content-type': 'application/json' }, body: '{}' })
    assert.deepEqual([other.status, (await other.json()).code], [400, 'other_address'])
  })

  it('get a cookie for TLS alone where the pages are over TLS', async (t) => {
    const { server } = await start(t)
    await server.terminate()
    const place = 'https://write.example.org'
    server.args[server.args.indexOf('--public-url') + 1] = place
    server.args.push('--allow-origin', place)
    await server.startAgain()
    const response = await fetch(`${server.url}/api/oidc`, { method: 'POST', headers: { origin: place, 'content-type': 'application/json' }, body: '{}' })
    assert.match(response.headers.get('set-cookie'), /^__Host-ropewalk-oidc=[^;]+; Path=\/; Max-Age=600; HttpOnly; SameSite=Lax; Secure$/)
  })
})
