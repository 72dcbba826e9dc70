// The unmodified y-websocket provider with yjs 13.

import assert from 'node:assert/strict'
import { describe, it } from 'node:test'
import * as Y from 'yjs'
import { Person, readme, Ropewalk, run, until } from './harness.js'

describe('y-websocket', { concurrency: true }, () => {
  it('syncs both ways', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'both/ways').synced()
    const bob = await new Person(t, server, 'both/ways').synced()
    for (let i = 0; i < 100; i++) {
      ann.text.insert(0, `a${i} `)
      bob.text.insert(bob.text.length, `b${i} 💚`)
    }
    bob.text.delete(0, 3)
    await until('both have all', () => ann.text.toString() === bob.text.toString() && ann.text.toString().includes('b99') && bob.text.toString().includes('a99'))
    await until('the server has it', async () => (await server.text('both/ways')) === ann.text.toString())
    assert.deepEqual(Y.encodeStateVector(ann.doc).length, Y.encodeStateVector(bob.doc).length)
  })

  it('is used as the README says', async (t) => {
    const server = await Ropewalk.start(t)
    const program = run(t, server, `${readme("getText('text')")}\ntext.insert(0, 'words')\n${readme('saved through')}`)
    await until(() => `saved: ${program.printed}`, () => program.printed === 'saved through 7\n')
    assert.equal(await server.text('notes/today.md'), 'words')
  })

  it('stays connected alone for longer than its 30 s of patience', async (t) => {
    const server = await Ropewalk.start(t)
    // One who says who they are, and one whose awareness is null and who hears only keep-alives.
    const ann = await new Person(t, server, 'alone', { name: 'Ann' }).synced()
    const nobody = await new Person(t, server, 'alone too').synced()
    nobody.provider.awareness.setLocalState(null)
    const began = Date.now()
    await until('40 s, or one lost the connection', () =>
      Date.now() - began > 40_000 || ann.closes.length > 0 || nobody.closes.length > 0)
    for (const person of [ann, nobody]) {
      assert.deepEqual(person.closes, [], `${person}`)
      assert.ok(person.provider.wsconnected)
    }
  })

  it('sees everyone on attach and loses its ghosts', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = new Person(t, server, 'people', { name: 'Ann' })
    const bob = new Person(t, server, 'people', { name: 'Bob' })
    await ann.untilPeople('Ann', 'Bob')
    await bob.untilPeople('Ann', 'Bob')
    const cy = new Person(t, server, 'people', { name: 'Cy' })
    await cy.untilPeople('Ann', 'Bob', 'Cy')
    bob.leave()
    await ann.untilPeople('Ann', 'Cy')
    // A line that breaks without a goodbye.
    cy.provider.shouldConnect = false
    cy.provider.ws.terminate()
    await ann.untilPeople('Ann')
    await new Person(t, server, 'people', { name: 'Dan' }).untilPeople('Ann', 'Dan')
  })

  it('comes back by itself after the server was killed', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'back', { name: 'Ann' }).synced()
    const bob = await new Person(t, server, 'back', { name: 'Bob' }).synced()
    ann.text.insert(0, 'before ')
    await bob.untilText('before ')
    await until('saved', async () => (await fetch(`${server.url}/api/documents/back/text`)).status === 200)
    await server.kill()
    await until('both have noticed', () => !ann.provider.wsconnected && !bob.provider.wsconnected)
    ann.text.insert(ann.text.length, 'meanwhile ')
    await server.startAgain()
    await ann.synced()
    await bob.untilText('before meanwhile ')
    bob.text.insert(bob.text.length, 'after')
    await ann.untilText('before meanwhile after')
    await ann.untilPeople('Ann', 'Bob')
    await bob.untilPeople('Ann', 'Bob')
  })

  it('comes back after the server was asked to end', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'asked').synced()
    ann.text.insert(0, 'kept')
    assert.equal(await server.terminate(), 0)
    await until('told to come back', () => ann.closes.length > 0)
    assert.equal(ann.closes[0], 1012)
    await server.startAgain()
    await ann.synced()
    assert.equal(await server.text('asked'), 'kept')
  })

  it('answers a marker only when all before it is on disk', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'marked').synced()
    ann.provider.messageHandlers[102] = (_encoder, decoder) => {
      if (decoder.arr.at(-1) === 7) server.child.kill('SIGKILL')
    }
    for (let round = 0; round < 5; round++) {
      ann.text.insert(ann.text.length, `${round} `)
      ann.provider.ws.send(Uint8Array.of(102, 1, 7))
      await until('answered, and killed', () => server.child.signalCode)
      await server.startAgain()
      assert.equal(await server.text('marked'), ann.text.toString())
      await ann.synced()
    }
  })

  it('merges what both wrote offline', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'offline').synced()
    const bob = await new Person(t, server, 'offline').synced()
    ann.text.insert(0, 'the middle')
    await bob.untilText('the middle')
    ann.provider.disconnect()
    bob.provider.disconnect()
    ann.text.insert(0, 'ann wrote ')
    ann.text.delete(ann.text.length - 3, 3)
    bob.text.insert(bob.text.length, ' of bob')
    ann.provider.connect()
    bob.provider.connect()
    await ann.untilText('ann wrote the mid of bob')
    await bob.untilText('ann wrote the mid of bob')
    await until('the server has it', async () => (await server.text('offline')) === 'ann wrote the mid of bob')
  })

  it('hands on what it learned while the server had lost it', async (t) => {
    const server = await Ropewalk.start(t)
    const doc = new Y.Doc()
    doc.getText('text').insert(0, 'written before there was a server')
    const relayed = new Y.Doc()
    Y.applyUpdate(relayed, Y.encodeStateAsUpdate(doc))
    await new Person(t, server, 'relay', { doc: relayed }).synced()
    const bob = new Person(t, server, 'relay')
    await bob.untilText('written before there was a server')
  })

  it('stops for good when the document is deleted', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'deleted').synced()
    ann.text.insert(0, 'words')
    await until('saved', async () => (await fetch(`${server.url}/api/documents/deleted/text`)).status === 200)
    assert.equal((await fetch(`${server.url}/api/documents/deleted`, { method: 'DELETE' })).status, 204)
    await until('closed', () => ann.closed)
    assert.equal(ann.closed.code, 4404)
    assert.equal(ann.provider.shouldConnect, false)
    const late = new Person(t, server, 'deleted')
    await until('closed too', () => late.closed)
    assert.equal(late.closed.code, 4404)
    assert.equal(late.closes.length, 1, 'it did not try again')
  })

  it('stops for good when it comes with what was deleted and begun again', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'again').synced()
    ann.text.insert(0, 'old words')
    await until('saved', async () => (await fetch(`${server.url}/api/documents/again/text`)).status === 200)
    ann.provider.disconnect()
    ann.text.insert(9, ', and unsent')
    assert.equal((await fetch(`${server.url}/api/documents/again`, { method: 'DELETE' })).status, 204)
    await server.create('again', 'new words')
    ann.provider.connect()
    await until('closed', () => ann.closed)
    assert.equal(ann.closed.code, 4409)
    assert.equal(ann.provider.shouldConnect, false)
    assert.equal(ann.provider.synced, false)
    assert.equal(ann.text.toString(), 'old words, and unsent')
    assert.equal(await server.text('again'), 'new words')
    const { strays } = await (await fetch(`${server.url}/api/documents/again/strays`)).json()
    assert.equal(await (await fetch(`${server.url}/api/documents/again/strays/${strays[0].id}`)).text(), 'old words, and unsent')
    const bob = await new Person(t, server, 'again').synced()
    assert.equal(bob.text.toString(), 'new words')
  })

  it('stops for good when it sent what is malformed or too large', async (t) => {
    const server = await Ropewalk.start(t)
    const bad = await new Person(t, server, 'bad').synced()
    bad.provider.ws.send(new Uint8Array([0, 2, 3, 1, 2, 3]))
    await until('closed', () => bad.closed)
    assert.equal(bad.closed.code, 4400)
    const large = await new Person(t, server, 'large').synced()
    large.provider.awareness.setLocalStateField('user', { name: 'n'.repeat(5_000) })
    await until('closed', () => large.closed)
    assert.equal(large.closed.code, 4413)
  })

  it('keeps maps, arrays and XML whole', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'rich').synced()
    const { doc } = ann
    doc.transact(() => {
      doc.getText('text').insert(0, 'words')
      doc.getMap('map').set('nested', new Y.Map([['list', Y.Array.from([1, 'two', { three: 3 }])]]))
      const paragraph = new Y.XmlElement('p')
      paragraph.setAttribute('class', 'quiet')
      paragraph.insert(0, [new Y.XmlText('in a paragraph')])
      doc.getXmlFragment('xml').insert(0, [paragraph])
      doc.getArray('bytes').push([new Uint8Array([1, 2, 3])])
    })
    doc.getText('text').insertEmbed(4, { image: 'a.png' })
    doc.getMap('map').get('nested').get('list').delete(0, 1)
    doc.getMap('map').set('other', true)
    doc.getMap('map').set('other', false)
    const look = (d) => JSON.stringify([
      d.getText('text').toDelta(), d.getMap('map').toJSON(), d.getXmlFragment('xml').toString(), [...d.getArray('bytes').get(0) ?? []]
    ])
    const bob = new Person(t, server, 'rich')
    await until(() => `bob has all of it: ${ann} ${look(bob.doc)}`, () => look(bob.doc) === look(doc))
    await server.kill()
    await server.startAgain()
    const cy = new Person(t, server, 'rich')
    await until(() => `so has who comes later: ${ann} ${look(cy.doc)}`, () => look(cy.doc) === look(doc))
    assert.deepEqual(cy.closes, [])
  })

  it('formats a text together with others, and after a restart', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await new Person(t, server, 'formats').synced()
    const bob = await new Person(t, server, 'formats').synced()
    ann.text.insert(0, 'plain words')
    await bob.untilText('plain words')
    ann.text.format(0, 5, { bold: true })
    bob.text.format(3, 8, { italic: true })
    const delta = [
      { insert: 'pla', attributes: { bold: true } },
      { insert: 'in', attributes: { bold: true, italic: true } },
      { insert: ' words', attributes: { italic: true } },
    ]
    const look = (person) => JSON.stringify(person.text.toDelta().map(({ insert, attributes }) =>
      [insert, Object.entries(attributes ?? {}).sort()]))
    const wanted = JSON.stringify(delta.map(({ insert, attributes }) => [insert, Object.entries(attributes).sort()]))
    for (const person of [ann, bob]) {
      await until(() => `formatted: ${person} ${look(person)}`, () => look(person) === wanted)
    }
    await until('saved', async () => (await server.text('formats')) === 'plain words')
    await server.kill()
    await server.startAgain()
    const cy = await new Person(t, server, 'formats').synced()
    await until(() => `so has who comes later: ${cy} ${look(cy)}`, () => look(cy) === wanted)
    assert.deepEqual([...ann.closes, ...bob.closes].filter(({ code }) => code >= 4400), [])
  })
})
