// People who write in the page at the same time.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { after, before, describe, it } from 'node:test'
import { WebSocket } from 'ws'
import { Person, Ropewalk, until } from '../node/harness.js'
import { launch, Visitor } from './harness.js'

describe('the editor page', { concurrency: 2 }, () => {
  let browser
  before(async () => { browser = await launch() })
  after(() => browser.close())

  it('lets two people type at once, and both see one text', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'notes/both.md', 'Ann')
    const bob = await Visitor.open(t, browser, server, 'notes/both.md', 'Bob')
    const a = 'Ann writes at the beginning. '
    const b = 'Bob writes at the end 💚.'
    await ann.type('[]')
    await bob.untilText('[]')
    // Her caret stays where she puts it, whatever he does behind it.
    await Promise.all([ann.type(a, 'Home'), bob.type(b, 'End')])
    await ann.untilText(`${a}[]${b}`)
    await bob.untilText(`${a}[]${b}`)
    await ann.untilState('saved')
    await bob.untilState('saved')
    assert.equal(await server.text('notes/both.md'), `${a}[]${b}`)
    ann.assertNoProblems()
    bob.assertNoProblems()
  })

  it('shows empty lines of Windows, and the caret in them', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('crlf', 'one\r\n\r\n\r\nfour')
    const ann = await Visitor.open(t, browser, server, 'crlf')
    const lines = await ann.content.locator('.cm-line').all()
    const heights = await Promise.all(lines.map(async (line) => (await line.boundingBox()).height))
    assert.deepEqual(heights, Array(4).fill(heights[0]))
    await ann.content.focus()
    await ann.page.keyboard.press('Control+Home')
    for (const line of lines) {
      const { y, height } = await line.boundingBox()
      const caret = await ann.page.locator('.cm-cursor-primary').boundingBox()
      const middle = caret.y + caret.height / 2
      assert.ok(caret.height > height / 3 && middle > y && middle < y + height, `${JSON.stringify(caret)} in a line at ${y}, ${height} high`)
      await ann.page.keyboard.press('ArrowDown')
    }
    await ann.page.keyboard.press('Control+Home')
    await ann.page.keyboard.press('ArrowDown')
    await ann.page.keyboard.type('two')
    await ann.untilState('saved')
    assert.equal(await server.text('crlf'), 'one\r\ntwo\r\n\r\nfour')
    ann.assertNoProblems()
  })

  it('types in texts of Windows with their line breaks', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('windows', 'one\r\ntwo\r\nthree')
    const ann = await Visitor.open(t, browser, server, 'windows')
    const press = async (...keys) => {
      for (const key of keys) await ann.page.keyboard.press(key)
    }
    const is = (text) => until(async () => `the text is ${JSON.stringify(text)}: ${JSON.stringify(await server.text('windows'))}`, async () => (await server.text('windows')) === text)
    await ann.content.focus()
    await press('Control+Home', 'End')
    await ann.page.keyboard.type('!')
    await press('Enter')
    await ann.page.keyboard.type('new')
    await is('one!\r\nnew\r\ntwo\r\nthree')
    await press('ArrowRight', 'Backspace')
    await is('one!\r\nnewtwo\r\nthree')
    await press('End', 'Delete')
    await is('one!\r\nnewtwothree')
    for (let step = 0; step < 6; step++) await press('Control+z')
    await is('one\r\ntwo\r\nthree')
    ann.assertNoProblems()
  })

  it('shows on a phone what is found, and not under the panel', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('phone', 'first\nsecond\nthird')
    const ann = await Visitor.open(t, browser, server, 'phone')
    await ann.page.setViewportSize({ width: 390, height: 700 })
    await ann.content.focus()
    await ann.page.keyboard.press('Control+Alt+f')
    await ann.page.getByPlaceholder('Find', { exact: true }).fill('first')
    await ann.page.keyboard.press('Enter')
    const [found, panel] = [ann.page.locator('.cm-searchMatch').first(), ann.page.getByRole('search')]
    let boxes
    await until(() => `the first line is below the panel: ${JSON.stringify(boxes)}`, async () => {
      boxes = await Promise.all([found.boundingBox(), panel.boundingBox()])
      const [line, over] = boxes
      return over.height > 80 && line.y >= over.y + over.height
    })
    ann.assertNoProblems()
  })

  it('shows who is there, and where they write', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'people', 'Ann')
    const bob = await Visitor.open(t, browser, server, 'people', 'Bob <b>&amp;')
    await until('they see each other', async () => (await ann.people()).join() === 'Bob <b>&amp;' && (await bob.people()).join() === 'Ann')
    // It fades: whoever looks now and then may miss it.
    await ann.page.evaluate(() => {
      const look = () => { window.sawName ||= document.querySelector('[data-testid=caret].named') !== null }
      new MutationObserver(look).observe(document.body, { attributes: true, childList: true, subtree: true })
    })
    await bob.type('a line of Bob')
    await until('his caret has his name', async () => (await ann.carets()).join() === 'Bob <b>&amp;')
    const caret = ann.page.getByTestId('caret')
    await until('the name shows', () => ann.page.evaluate(() => window.sawName))
    await until('and fades', async () => !(await caret.getAttribute('class')).includes('named'))
    await bob.page.keyboard.press('Shift+Home')
    await until('his selection is seen', async () => (await ann.page.locator('.rw-selected').count()) > 0)
    assert.equal(await ann.text(), 'a line of Bob', 'nothing of it is in the text')
    // A stock client is seen by its name as well.
    const cy = await new Person(t, server, 'people', { name: 'Cy' }).synced()
    await until('Cy is there', async () => (await ann.people()).join() === 'Bob <b>&amp;,Cy')
    cy.leave()
    await bob.context.close()
    await until('they are gone', async () => (await ann.people()).length === 0 && (await ann.carets()).length === 0)
    ann.assertNoProblems()
  })

  it('shows where somebody without a CRDT is, who sees the caret of the page', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('thin', 'one\ntwo\n')
    const ann = await Visitor.open(t, browser, server, 'thin', 'Ann')
    const socket = new WebSocket(`ws://127.0.0.1:${server.port}/text/thin`, 'ropewalk.text.v1')
    t.after(() => socket.terminate())
    const say = (message) => socket.send(JSON.stringify(message))
    let ranges
    socket.on('message', (data) => {
      const message = JSON.parse(data)
      if (message.type === 'cursors') ranges = Object.values(message.peers)[0]
    })
    await once(socket, 'open')
    say({ type: 'hello', client: 'thin', unit: 'utf8' })
    say({ type: 'presence', user: { name: 'Thin', color: '#30bced' } })
    say({ type: 'cursor', ranges: [{ from: 4, to: 7 }] })
    await until('the caret is there', async () => (await ann.carets()).join() === 'Thin')
    await until('what is selected, too', async () => (await ann.page.locator('.rw-selected').count()) === 1)
    const caret = async () => (await ann.page.getByTestId('caret').boundingBox()).y
    const before = await caret()
    await ann.type('é\n', 'Control+Home')
    await until('it moves with the text', async () => (await caret()) > before)
    await until(() => `the caret of the page is behind what was typed: ${JSON.stringify(ranges)}`, () => JSON.stringify(ranges) === '[{"from":3,"to":3}]')
    ann.assertNoProblems()
  })

  it('does not keep names over the text, and shows them again to who points at a caret', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('names.rs', 'fn main() {\n}\n')
    const ann = await Visitor.open(t, browser, server, 'names.rs', 'Ann')
    const bob = await Visitor.open(t, browser, server, 'names.rs', 'Bob')
    const caret = ann.page.getByTestId('caret')
    const named = () => caret.evaluate((element) => element.matches('.named, .near'))
    await bob.type('// ', 'End')
    await bob.type('// ', 'Home')
    await until('the name shows', named)
    const room = await caret.evaluate((element) => {
      const flag = getComputedStyle(element, '::before')
      return { below: parseFloat(flag.bottom) < 0, above: element.getBoundingClientRect().top - parseFloat(flag.height) - document.querySelector('.cm-scroller').getBoundingClientRect().top }
    })
    assert.ok(!room.below && room.above >= 0, `the name is above the first line and in sight: ${JSON.stringify(room)}`)
    await until('it fades', async () => !(await named()))
    const { x, y, height } = await caret.boundingBox()
    await ann.page.mouse.move(x + 2, y + height / 2)
    await until('it shows again', named)
    await ann.page.mouse.move(x + 100, y + 200)
    await until('and fades again', async () => !(await named()))
    ann.assertNoProblems()
    bob.assertNoProblems()
  })

  it('works with a stock client on the other side', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'mixed')
    const script = await new Person(t, server, 'mixed').synced()
    await ann.type('from the page')
    await script.untilText('from the page')
    script.text.insert(0, 'from a script\n')
    await ann.untilText('from a script\nfrom the page')
    ann.assertNoProblems()
  })

  it('undoes and redoes only what was typed here', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'undo', 'Ann')
    const bob = await Visitor.open(t, browser, server, 'undo', 'Bob')
    await ann.type('ann')
    await bob.untilText('ann')
    await bob.type(' bob')
    await ann.untilText('ann bob')
    await ann.content.focus()
    await ann.page.keyboard.press('Control+z')
    await ann.untilText(' bob')
    await bob.untilText(' bob')
    await ann.page.keyboard.press('Control+z')
    await ann.page.keyboard.press('Control+z')
    await bob.type('!')
    await ann.untilText(' bob!')
    await ann.content.focus()
    await ann.page.keyboard.press('Control+Shift+Z')
    await ann.untilText('ann bob!')
    await bob.untilText('ann bob!')
    ann.assertNoProblems()
    bob.assertNoProblems()
  })

  it('has the keys that its menu and its list of shortcuts say', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'keys')
    await ann.page.getByTestId('more').click()
    const items = await ann.page.getByRole('menu').locator('button').evaluateAll((all) => all.map((item) => item.innerText.split(/\s*\n\s*/)))
    const menu = new Map(items.map(([what, key]) => [what, key]))
    await ann.page.keyboard.press('Escape')
    await ann.page.keyboard.press('F1')
    const list = new Map(await ann.page.locator('.shortcuts dl div').evaluateAll((all) => all.map((row) => [row.querySelector('dt').innerText, row.querySelector('dd').innerText])))
    await ann.page.keyboard.press('Escape')
    // As long as it is there, what is typed goes nowhere.
    await ann.page.locator('.shortcuts').waitFor({ state: 'detached' })
    for (const what of ['Redo', 'Find', 'Find and replace', 'Jump to line', 'Wrap lines']) {
      assert.ok(list.get(what), `${what} is in the list: ${[...list]}`)
      assert.ok(menu.has(what), `${what} is in the menu: ${[...menu.keys()]}`)
      if (menu.get(what)) assert.equal(menu.get(what), list.get(what), what)
    }
    await ann.type('words')
    await ann.untilText('words')
    await ann.page.keyboard.press('Control+z')
    await ann.untilText('')
    await ann.page.keyboard.press(list.get('Redo').replace('Ctrl', 'Control'))
    await ann.untilText('words')
    await ann.page.keyboard.press(list.get('Find').replace('Ctrl', 'Control'))
    await ann.page.getByPlaceholder('Find', { exact: true }).waitFor()
    assert.equal(await ann.page.getByPlaceholder('Replace with').count(), 0)
    await ann.page.keyboard.press('Escape')
    await ann.content.focus()
    await ann.page.keyboard.press(list.get('Find and replace').replace('Ctrl', 'Control'))
    await ann.page.getByPlaceholder('Replace with').waitFor()
    ann.assertNoProblems()
  })

  it('does not disturb an input method while others type', async (t) => {
    const server = await Ropewalk.start(t)
    const ann = await Visitor.open(t, browser, server, 'ime')
    const bob = await new Person(t, server, 'ime').synced()
    bob.text.insert(0, 'before after\nnext line')
    await ann.untilText('before after\nnext line')
    // The caret stands after "before ".
    await ann.content.focus()
    await ann.page.keyboard.press('Control+Home')
    for (let i = 0; i < 7; i++) await ann.page.keyboard.press('ArrowRight')
    const devtools = await ann.context.newCDPSession(ann.page)
    const steps = ['n', 'に', 'にh', 'にほ', 'にほn', 'にほん']
    for (const [i, text] of steps.entries()) {
      await devtools.send('Input.imeSetComposition', { text, selectionStart: text.length, selectionEnd: text.length })
      // Before it, after it on its own line, and elsewhere.
      bob.text.insert(0, `<${i}`)
      bob.text.insert(bob.text.toString().indexOf('after') + 5, `${i}>`)
      bob.text.insert(bob.text.length, `.${i}`)
      await until('the others are seen during the composition', async () => (await ann.text()).includes(`.${i}`))
    }
    await devtools.send('Input.insertText', { text: '日本' })
    const whole = '<5<4<3<2<1<0before 日本after5>4>3>2>1>0>\nnext line.0.1.2.3.4.5'
    await ann.untilText(whole)
    await bob.untilText(whole)
    await ann.page.keyboard.type('!')
    await bob.untilText(whole.replace('日本', '日本!'))
    ann.assertNoProblems()
  })

  it('opens a new name by its link alone', async (t) => {
    const server = await Ropewalk.start(t)
    const name = 'plans/2026/für 💚 #1?.md'
    const ann = await Visitor.open(t, browser, server, name)
    assert.equal(await ann.text(), '')
    assert.equal((await fetch(`${server.url}/api/documents`).then((r) => r.json())).documents.length, 0, 'looking makes nothing')
    await ann.type('# New')
    await ann.untilState('saved')
    assert.equal(await server.text(name), '# New')
    const bob = await Visitor.open(t, browser, server, name)
    assert.equal(await bob.text(), '# New')
    ann.assertNoProblems()
    bob.assertNoProblems()
  })

  it('shows a large document and scrolls in it', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('large', Array.from({ length: 20_000 }, (_, i) => `line ${i + 1} of many`).join('\n'))
    const ann = await Visitor.open(t, browser, server, 'large')
    await ann.type(' and the end')
    await until('the last line is shown', async () => (await ann.text()).endsWith('line 20000 of many and the end'))
    await ann.untilState('saved')
    assert.ok((await server.text('large')).endsWith('and the end'))
    ann.assertNoProblems()
  })

  it('renders Markdown without running what is in it', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('page.md', [
      '# A *title*',
      '<script>console.error("ran")</script><img src=x onerror="console.error(\'ran\')">',
      '[link](javascript:console.error("ran")) <a href="javascript:console.error(1)">x</a>',
      '<iframe src="https://evil.example"></iframe><style>* { display: none }</style><form action="https://evil.example"><button>b</button></form>',
      '<svg onload="console.error(\'ran\')"></svg>',
      '![the log](/api/audit.jsonl) <img src="/api/documents"> ![a picture](/logo.png)'
    ].join('\n\n'))
    const ann = await Visitor.open(t, browser, server, 'page.md')
    await ann.page.getByRole('button', { name: 'Preview' }).click()
    const title = ann.page.getByRole('heading', { name: 'A title' })
    await title.waitFor()
    const bad = await ann.page.evaluate(() => [...document.querySelectorAll('main *')].filter((e) =>
      /^(script|iframe|style|form|object|embed)$/i.test(e.tagName) || [...e.attributes].some((a) => /^on/i.test(a.name) || /javascript:/i.test(a.value))
    ).map((e) => e.outerHTML))
    assert.deepEqual(bad, [])
    const images = await ann.page.getByTestId('preview').locator('img').evaluateAll((all) => all.map((image) => image.getAttribute('src')))
    assert.deepEqual(images, ['x', '/logo.png'])
    assert.ok(!ann.problems.some((p) => p.startsWith('ran')), `${ann.problems}`)
  })

  it('previews a large text and lets people type meanwhile', async (t) => {
    const server = await Ropewalk.start(t)
    const part = (i) => `## Part ${i}\n\nSome *words* with [a link](https://example.org/${i}) and \`code\`, the same in every part.\n\n- one\n- two ${i}\n\n`
    const parts = Array.from({ length: 2_000 }, (_, i) => part(i + 1)).join('')
    assert.ok(parts.length > 200_000 && parts.length < 250_000, `${parts.length}`)
    await server.create('large.md', parts)
    const ann = await Visitor.open(t, browser, server, 'large.md')
    await ann.page.evaluate(() => {
      window.longest = 0
      new PerformanceObserver((tasks) => {
        for (const { duration } of tasks.getEntries()) window.longest = Math.max(window.longest, duration)
      }).observe({ type: 'longtask' })
    })
    await ann.page.getByRole('button', { name: 'Preview' }).click()
    await ann.type('The *end*')
    const preview = ann.page.getByTestId('preview')
    await preview.getByRole('heading', { name: 'Part 2000' }).waitFor()
    await preview.locator('em', { hasText: 'end' }).waitFor()
    const longest = await ann.page.evaluate(() => window.longest)
    assert.ok(longest < 1_000, `the page did not answer for ${longest} ms`)
    ann.assertNoProblems()
  })

  it('says that a text is too long for the preview, and shows it once it is shorter', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('long.md', `# Title\n\n${'word '.repeat(50_000)}`)
    const ann = await Visitor.open(t, browser, server, 'long.md')
    await ann.page.getByRole('button', { name: 'Preview' }).click()
    const preview = ann.page.getByTestId('preview')
    await preview.getByText('up to 250,000 characters').waitFor()
    assert.equal(await preview.getByRole('heading').count(), 0)
    const bob = await new Person(t, server, 'long.md').synced()
    bob.text.delete(9, bob.text.length - 9)
    await preview.getByRole('heading', { name: 'Title' }).waitFor()
    ann.assertNoProblems()
  })

  it('previews what is too much to draw as it was written', async (t) => {
    const server = await Ropewalk.start(t)
    await server.create('much.md', `# Title\n\n${'_a*b'.repeat(10_000)}\n\n${'- item\n'.repeat(10_000)}`)
    await server.create('deep.md', `${'>'.repeat(20_000)} deep`)
    const ann = await Visitor.open(t, browser, server, 'much.md')
    await ann.page.getByRole('button', { name: 'Preview' }).click()
    const shown = () => ann.page.getByTestId('preview').innerText()
    await until('it is all there', async () => /^Title\s+_a\*b_a\*b[^]*- item\n- item/.test(await shown()))
    ann.assertNoProblems()
    await ann.goto(server, 'deep.md')
    await until('it is there', async () => />>> deep/.test(await shown()))
  })
})
