// A real nginx and a real Caddy in front, with the configurations of the README.

import assert from 'node:assert/strict'
import { execFileSync, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:https'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { it } from 'node:test'
import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { command, readme, Ropewalk, until } from './harness.js'

/** Where people are: an address that nobody trusts. */
const AT = '127.0.0.9'
const PASSWORD = 'correct horse battery 7'

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address()
  server.close()
  return port
}

/** A proxy in a folder of its own, before a server; `begin` writes what it needs and answers how it is started. The port it listens on. */
async function proxy(t, begin) {
  const folder = mkdtempSync(join(tmpdir(), 'ropewalk-proxy-'))
  const port = await freePort()
  const [program, ...args] = await begin(folder, port)
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'], env: { ...process.env, HOME: folder, XDG_DATA_HOME: folder, XDG_CONFIG_HOME: folder } })
  let said = ''
  child.stderr.on('data', (bytes) => { said += bytes })
  t.after(async () => {
    if (child.exitCode === null) {
      child.kill('SIGTERM')
      await once(child, 'exit')
    }
    rmSync(folder, { recursive: true, force: true })
  })
  await until(() => `${program} listens; ${said}`, () => ask(port, 'GET', '/healthz').then(({ status }) => status === 200, () => false))
  const logged = () => readdirSync(folder).filter((name) => name.endsWith('.log')).map((name) => readFileSync(join(folder, name), 'utf8')).join('') + said
  return { port, logged }
}

/** nginx as the README says. */
const nginx = (server) => (folder, port) => {
  const key = join(folder, 'key.pem')
  const certificate = join(folder, 'certificate.pem')
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '1', '-subj', '/CN=write.example.org', '-keyout', key, '-out', certificate], { stdio: 'ignore' })
  const site = readme('proxy_pass', 'nginx')
    .replace('listen 443 ssl', `listen 127.0.0.1:${port} ssl`)
    .replace('127.0.0.1:4880', `127.0.0.1:${server.port}`)
    .replace('/etc/ssl/write.example.org.pem', certificate)
    .replace('/etc/ssl/write.example.org.key', key)
    .replaceAll('/var/log/nginx', folder)
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`)
  writeFileSync(join(folder, 'nginx.conf'), `daemon off; pid ${folder}/pid; error_log stderr; events {}
    http { access_log ${folder}/access.log; ${temporary.join(' ')} ${site} }`)
  return ['nginx', '-p', folder, '-c', join(folder, 'nginx.conf')]
}

/** Caddy as the README says, with certificates of its own. */
const caddy = (server) => async (folder, port) => {
  const site = readme('reverse_proxy', '').replace('127.0.0.1:4880', `127.0.0.1:${server.port}`)
  const here = `default_bind 127.0.0.1\nhttps_port ${port}\nhttp_port ${await freePort()}\nadmin off\nlocal_certs\nskip_install_trust`
  writeFileSync(join(folder, 'Caddyfile'), `{\n${here}\n}\n${site}`)
  return ['caddy', 'run', '--config', join(folder, 'Caddyfile')]
}

/** What the server answers through the proxy. */
function ask(port, method, path, { body, headers = {} } = {}) {
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', servername: 'write.example.org', localAddress: AT, port, method, path, rejectUnauthorized: false, agent: false, headers: { host: 'write.example.org', 'content-type': 'application/json', ...headers } }
    const asking = request(options, (response) => {
      let text = ''
      response.on('data', (bytes) => { text += bytes })
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text, json: () => JSON.parse(text) }))
    })
    asking.on('error', reject)
    asking.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Why not, if a program is not here. */
const without = (program) => (spawnSync(program, ['version']).status === 0 ? false : `there is no ${program} here`)

for (const [name, begin, skip] of [['nginx', nginx, false], ['Caddy', caddy, without('caddy')]]) it(`works behind ${name}: people sign in, sockets stay open, and only the proxy says where somebody is`, { skip }, async (t) => {
  const server = await Ropewalk.start(t, '--allow-host', 'write.example.org', '--trust-proxy', '127.0.0.1')
  const { port, logged } = await proxy(t, begin(server))
  const secret = (await command(server, ['user', 'add', 'ann', '--admin'])).trim().split('#')[1]
  const origin = { origin: 'https://write.example.org' }
  const joined = await ask(port, 'POST', '/api/join', { body: { secret, name: 'Ann', password: PASSWORD }, headers: origin })
  assert.equal(joined.status, 200, joined.text)
  const [cookie] = joined.headers['set-cookie']
  assert.match(cookie, /^__Host-ropewalk=rws_[^;]+; Path=\/; Max-Age=\d+; HttpOnly; SameSite=Lax; Secure$/)
  const signedIn = { cookie: cookie.split(';')[0] }

  // Said by the client itself.
  const spoofed = { ...origin, ...signedIn, 'x-forwarded-for': '6.6.6.6' }
  const failed = await ask(port, 'POST', '/api/session', { body: { login: 'ann', password: 'wrong' }, headers: spoofed })
  assert.equal(failed.status, 401)
  const audit = await ask(port, 'GET', '/api/audit', { headers: signedIn })
  const [newest] = audit.json().entries
  assert.equal(newest.action, 'sign_in_failed')
  assert.equal(newest.address, AT, 'what the proxy has seen counts')

  const page = await ask(port, 'GET', '/')
  assert.match(page.headers['content-security-policy'], /frame-ancestors 'none'/)

  const { token } = (await ask(port, 'POST', '/api/tokens', { body: { name: 'test', access: 'edit', for: '*' }, headers: { ...origin, ...signedIn } })).json()
  const people = ['one', 'two'].map(() => {
    const doc = new Y.Doc()
    class Trusting extends WebSocket {
      constructor(url, protocols) {
        super(url, protocols, { rejectUnauthorized: false, servername: 'write.example.org', headers: { host: 'write.example.org' } })
      }
    }
    const provider = new WebsocketProvider(`wss://127.0.0.1:${port}/yjs`, 'notes', doc, { params: { token }, WebSocketPolyfill: Trusting, disableBc: true })
    t.after(() => {
      provider.destroy()
      provider.awareness.destroy()
    })
    return { provider, text: doc.getText('text') }
  })
  await until(() => 'both are there', () => people.every(({ provider }) => provider.synced))
  people[0].text.insert(0, 'through the proxy')
  await until(() => 'the other has it', () => people[1].text.toString() === 'through the proxy')
  const nobody = await ask(port, 'GET', '/api/documents/notes/text')
  assert.equal(nobody.status, 401)

  for (const { provider } of people) provider.destroy()
  if (name !== 'nginx') return
  await until(() => `nginx has logged both sockets: ${logged()}`, () => logged().match(/"GET \/yjs\/notes" 101/g)?.length === 2)
  await server.kill()
  const away = await ask(port, 'GET', `/yjs/notes?token=${token}`)
  assert.equal(away.status, 502)
  await until(() => `nginx has logged that as well: ${logged()}`, () => logged().includes('"GET /yjs/notes" 502'))
  assert.ok(!logged().includes(token) && !logged().includes('?'), logged())
})
