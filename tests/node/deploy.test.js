// What the README says of running it for others: its settings, units and commands as they stand there.

import assert from 'node:assert/strict'
import { spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { copyFileSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { describe, it } from 'node:test'
import { binary, home, README, readme, Ropewalk, until } from './harness.js'

const noSystemd = spawnSync('systemd-analyze', ['--version']).status === 0 ? false : 'there is no systemd-analyze here'

/** Text with its paths below a folder. */
const below = (folder, text) => text.replace(/(?<![\w/])\/(usr\/local\/bin|var\/lib|backups)\b/g, `${folder}$&`)

/** What a unit starts, as a shell runs it. */
function started(unit) {
  const [, command] = unit.match(/^ExecStart=(.*)$/m)
  return command.replaceAll('$$', '$').replaceAll('%%', '%')
}

/** A server of this command, and its port. */
async function serve(t, command, env) {
  const child = spawn('sh', ['-c', `exec ${command} --listen 127.0.0.1:0`], { env })
  t.after(() => child.kill('SIGKILL'))
  child.said = ''
  for (const stream of [child.stdout, child.stderr]) stream.on('data', (bytes) => { child.said += bytes })
  await until(() => `it is ready: ${child.said}`, () => /ready: .*\n/.test(child.said))
  return { child, port: Number(child.said.match(/ready: http:\/\/127\.0\.0\.1:(\d+)/)[1]) }
}

/** What is answered under a name of the server. */
function ask(port, host) {
  return new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: '/', headers: { host } }, (response) => resolve(response.resume().statusCode)).on('error', reject).end()
  })
}

async function end(child) {
  const exit = once(child, 'exit')
  child.kill('SIGTERM')
  assert.deepEqual(await exit, [0, null])
}

describe('README, for those who deploy it,', { concurrency: true }, () => {
  it('has settings that are settings', async (t) => {
    const { folder, type } = home(t)
    writeFileSync(join(folder, 'ropewalk.toml'), readme('max_text_bytes', 'toml'))
    const { stdout } = await type('ropewalk check-config --config ropewalk.toml')
    for (const [, name, value] of readme('max_text_bytes', 'toml').matchAll(/^(\w+) = (.*)$/gm)) {
      const line = stdout.split('\n').find((line) => line.startsWith(`${name} `))
      const plain = value.replace(/[[\]"]/g, '')
      assert.ok(line?.replace(/[[\]"]/g, '').includes(plain) && line.includes('ropewalk.toml'), `${name} = ${value}: ${stdout}`)
    }
  })

  it('installs a service', async (t) => {
    const { folder, env, type } = home(t)
    for (const path of ['target/release', 'usr/local/bin', 'var/lib/ropewalk']) mkdirSync(join(folder, path), { recursive: true })
    copyFileSync(binary(), join(folder, 'target/release/ropewalk'))
    const [install, enable, add, ...rest] = readme('enable --now ropewalk\n', 'sh').trimEnd().split('\n')
    assert.deepEqual(rest, [])
    await type(below(folder, install))
    assert.equal(enable, 'sudo systemctl enable --now ropewalk')
    const { child, port } = await serve(t, below(folder, started(readme('Description=Ropewalk\n', 'ini'))), env)
    const { stdout } = await type(below(folder, add))
    assert.match(stdout, /\/join#rwi_\S+/)
    assert.equal(await ask(port, 'write.example.org'), 200)
    assert.equal(await ask(port, 'other.example.org'), 403)
    await end(child)
  })

  it('has units that systemd takes', { skip: noSystemd }, async (t) => {
    const { folder } = home(t)
    const units = { 'ropewalk.service': 'Description=Ropewalk\n', 'ropewalk-backup.service': 'Type=oneshot', 'ropewalk-backup.timer': '[Timer]' }
    for (const [name, has] of Object.entries(units)) {
      assert.ok(README.includes(`\`/etc/systemd/system/${name}\``), name)
      writeFileSync(join(folder, name), readme(has, 'ini').replaceAll('/usr/local/bin/ropewalk', binary()))
    }
    const { status, stdout, stderr } = spawnSync('systemd-analyze', ['verify', '--man=no', ...Object.keys(units).map((name) => join(folder, name))], { encoding: 'utf8' })
    assert.deepEqual([status, stdout, stderr], [0, '', ''])
  })

  it('makes a backup each day', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('notes', 'words')
    const { folder, type } = home(t)
    assert.equal(readme('ropewalk-backup.timer', 'sh'), 'sudo systemctl enable --now ropewalk-backup.timer\n')
    assert.match(readme('[Timer]', 'ini'), /^OnCalendar=daily$/m)
    for (const path of ['usr/local/bin', 'var/lib/ropewalk-backup']) mkdirSync(join(folder, path), { recursive: true })
    const unit = below(folder, started(readme('Type=oneshot', 'ini')))
    await type(`ln -s ${binary()} usr/local/bin/ropewalk; ln -s ${server.data} var/lib/ropewalk; ${unit}`)
    const [backup, ...others] = readdirSync(join(folder, 'var/lib/ropewalk-backup'))
    assert.deepEqual(others, [])
    assert.match(backup, /^20\d\d-\d\d-\d\d-\d{6}\.db$/)
    await type(`ropewalk restore var/lib/ropewalk-backup/${backup} --data again; ropewalk verify --data again`)
  })

  it('makes backups and exports, and has them back', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('notes/today.md', 'words')
    const { folder, type } = home(t)
    for (const path of ['backups', 'var/lib']) mkdirSync(join(folder, path), { recursive: true })
    const [backup, restore, verify, exported, imported, ...rest] = readme('ropewalk backup', 'sh').trimEnd().split('\n').map((line) => below(folder, line))
    assert.deepEqual(rest, [])
    await type(`ln -s ${server.data} var/lib/ropewalk`)
    for (const line of [backup, verify, exported]) await type(line)
    await server.create('more', 'written later')
    const has = async (name) => (await fetch(`${server.url}/api/documents/${name}/text`)).status
    // Each brings back what there was: in the place of what is there now, and on a new disk.
    const ways = [
      `${restore.split('#')[0]} --replace`,
      `find var/lib/ropewalk/ -mindepth 1 -delete; ${restore}`,
      `find var/lib/ropewalk/ -mindepth 1 -delete; ${imported}`
    ]
    for (const way of ways) {
      await server.terminate()
      await type(`${way}\n${verify}`)
      await server.startAgain()
      assert.equal(await server.text('notes/today.md'), 'words')
      assert.equal(await has('more'), 404, way)
    }
  })
})
