// Issuers of OpenID Connect: a real one, and one that says whatever it is told to.

import { createHmac, generateKeyPairSync, sign } from 'node:crypto'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import Provider from 'oidc-provider'
import { Ropewalk } from './harness.js'

const CLIENT = 'ropewalk'
const SECRET = 'the secret of ropewalk, of which no log tells'

async function listen(t, handler) {
  const server = createServer(handler).listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${server.address().port}`
  const stop = () => {
    server.closeAllConnections()
    return new Promise((resolve) => server.close(resolve))
  }
  t.after(stop)
  return { server, url, stop }
}

/** A key pair, and its public half as a JSON Web Key. */
export function newKey(kid, type = 'rsa') {
  const pair = type === 'rsa' ? generateKeyPairSync('rsa', { modulusLength: 2048 }) : generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const alg = type === 'rsa' ? 'RS256' : 'ES256'
  return {
    kid,
    alg,
    privateKey: pair.privateKey,
    publicKey: pair.publicKey,
    public: { ...pair.publicKey.export({ format: 'jwk' }), kid, alg, use: 'sig' },
    private: { ...pair.privateKey.export({ format: 'jwk' }), kid, alg, use: 'sig' }
  }
}

const base64 = (value) => Buffer.from(typeof value === 'string' ? value : JSON.stringify(value)).toString('base64url')

/** A token that says this. */
export function jwt(key, payload, header = {}) {
  const head = { alg: key.alg, kid: key.kid, typ: 'JWT', ...header }
  const text = `${base64(head)}.${base64(payload)}`
  if (head.alg === 'none') return `${text}.`
  if (head.alg === 'HS256') return `${text}.${createHmac('sha256', key.shared).update(text).digest('base64url')}`
  return `${text}.${sign('sha256', Buffer.from(text), { key: key.privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`
}

/** A server that people can sign in to with the accounts of an issuer. `begin` makes the issuer for the server's address. */
export async function startWith(t, begin, ...args) {
  const server = await Ropewalk.start(t)
  // While the server has its port: the issuer takes any that is free.
  const issuer = await begin(server.url)
  await server.terminate()
  const secret = `${server.data}/secret`
  writeFileSync(secret, `${SECRET}\n`)
  server.args = [
    '--public-url', server.url, '--oidc-issuer', issuer.url, '--oidc-client-id', CLIENT, '--oidc-client-secret-file', secret,
    '--oidc-name', 'Harbour', '--log', 'trace', ...args
  ]
  await server.startAgain()
  return { server, issuer }
}

/** A real one. Whoever signs in there types the name of one of `people`, and any password. */
export async function realIssuer(t, people, back) {
  const { server, url, stop } = await listen(t)
  const provider = new Provider(url, {
    clients: [{ client_id: CLIENT, client_secret: SECRET, redirect_uris: [`${back}/api/oidc/callback`], grant_types: ['authorization_code'], response_types: ['code'] }],
    jwks: { keys: [newKey('one').private] },
    cookies: { keys: ['a key of cookies'] },
    claims: { openid: ['sub'], profile: ['name', 'preferred_username', 'groups'] },
    scopes: ['openid', 'profile'],
    pkce: { required: () => true },
    findAccount: (_, id) => people[id] && { accountId: id, claims: () => ({ sub: id, ...people[id] }) },
    // It asks nobody whether we may know who they are.
    async loadExistingGrant({ oidc: { client, session, provider } }) {
      const grant = new provider.Grant({ clientId: client.clientId, accountId: session.accountId })
      grant.addOIDCScope('openid profile')
      await grant.save()
      return grant
    },
    renderError: (context, out) => { context.body = `refused: ${JSON.stringify(out)}` }
  })
  provider.on('server_error', (_, error) => console.error(error))
  server.on('request', provider.callback())
  return { url, stop }
}

/** One that gives out tokens as it is told. `mood` may change at any time. */
export async function hostileIssuer(t) {
  const issuer = { mood: {}, key: newKey('one'), asked: [], nonces: new Map() }
  const { url } = await listen(t, async (request, response) => {
    const path = new URL(request.url, 'http://x').pathname
    issuer.asked.push(path)
    let body = ''
    for await (const part of request) body += part
    const json = (value, status = 200) => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(typeof value === 'string' ? value : JSON.stringify(value))
    }
    const { mood } = issuer
    if (mood.at && path.endsWith(mood.at)) {
      if (mood.slow) return
      if (mood.huge) {
        response.writeHead(200, { 'content-type': 'application/json' })
        const more = () => { while (!response.destroyed && response.write(' '.repeat(65536))); }
        response.on('drain', more)
        return more()
      }
      if (mood.drips) {
        response.writeHead(200, { 'content-type': 'application/json' })
        const timer = setInterval(() => response.write(' '), 200)
        return response.on('close', () => clearInterval(timer))
      }
      if (mood.redirect) return response.writeHead(302, { location: `${url}/elsewhere` }).end()
      if (mood.status) return json({ error: 'server_error' }, mood.status)
      if (mood.says) return json(mood.says)
    }
    if (path === '/.well-known/openid-configuration') {
      return json({
        issuer: url, authorization_endpoint: `${url}/authorize`, token_endpoint: `${url}/token`, jwks_uri: `${url}/keys`, userinfo_endpoint: `${url}/me`,
        response_types_supported: ['code'], subject_types_supported: ['public'], id_token_signing_alg_values_supported: ['RS256', 'HS256', 'none'],
        ...mood.discovery
      })
    }
    if (path === '/keys') return json({ keys: [issuer.key.public] })
    if (path === '/token') {
      issuer.sent = new URLSearchParams(body)
      const now = Math.floor(Date.now() / 1000)
      const payload = {
        iss: url, aud: CLIENT, sub: 'zoe', iat: now, exp: now + 300, nonce: issuer.nonces.get(issuer.sent.get('code')),
        preferred_username: 'zoe', name: 'Zoe', groups: [], ...mood.claims
      }
      const key = mood.key ?? issuer.key
      return json({ access_token: 'an-access-token-of-which-no-log-tells', token_type: 'Bearer', expires_in: 300, id_token: jwt(key, payload, mood.header), ...mood.tokens })
    }
    json({ error: 'not_found' }, 404)
  })
  issuer.url = url
  return issuer
}

/** A browser without a screen: it keeps cookies, and follows no redirect by itself. */
export class Agent {
  cookies = new Map()

  constructor(server) {
    this.server = server
  }

  async fetch(url, { headers = {}, ...init } = {}) {
    const { host } = new URL(url)
    const kept = [...this.cookies].filter(([key]) => key.startsWith(`${host} `)).map(([key, value]) => `${key.slice(host.length + 1)}=${value}`)
    const response = await fetch(url, { ...init, headers: { ...headers, ...(kept.length && { cookie: kept.join('; ') }) }, redirect: 'manual' })
    for (const cookie of response.headers.getSetCookie()) {
      const [, name, value] = cookie.match(/^([^=]+)=([^;]*)/)
      if (value === '' || /Max-Age=0\b/i.test(cookie)) this.cookies.delete(`${host} ${name}`)
      else this.cookies.set(`${host} ${name}`, value)
    }
    return response
  }

  /** Asks our server as its page does. */
  async ask(method, path, body) {
    const headers = { origin: this.server.url, 'sec-fetch-site': 'same-origin', ...(body !== undefined && { 'content-type': 'application/json' }) }
    const response = await this.fetch(this.server.url + path, { method, headers, body: body === undefined ? undefined : JSON.stringify(body) })
    const text = await response.text()
    return { status: response.status, headers: response.headers, body: text && JSON.parse(text) }
  }

  /** Where one is sent to sign in. */
  async begin(path = '/api/oidc', wanted = {}) {
    const { status, body } = await this.ask('POST', path, wanted)
    if (status !== 200) throw new Error(`${status} ${JSON.stringify(body)}`)
    return new URL(body.url)
  }

  /** Comes back with something; where one is sent then. */
  async comeBack(answer) {
    const response = await this.fetch(`${this.server.url}/api/oidc/callback?${new URLSearchParams(answer)}`)
    if (response.status !== 303) throw new Error(`${response.status} ${await response.text()}`)
    return response.headers.get('location')
  }

  async state() {
    return (await this.ask('GET', '/api/session')).body
  }
}
