// Pages with the editors that the README connects: its own code, bundled.

import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer } from 'node:http'
import { DocumentManager } from '@y-sweet/sdk'
import { build } from 'esbuild'
import { encode, readme, until } from '../node/harness.js'
import { Visitor } from './harness.js'

/** How the README gets its provider, and how others do. */
const WIRES = {
  'y-websocket': ["import { WebsocketProvider } from 'y-websocket'", "new WebsocketProvider('ws://127.0.0.1:4880/yjs', 'notes/today.md', doc)"],
  Hocuspocus: ["import { HocuspocusProvider } from '@hocuspocus/provider'", "new HocuspocusProvider({ url: 'ws://127.0.0.1:4880/hocuspocus', name: 'notes/today.md', document: doc })"],
  'y-sweet': ["import { createYjsProvider } from '@y-sweet/client'", "createYjsProvider(doc, 'notes/today.md', '/my-auth-endpoint')"]
}

/** How an editor is found in the README, and in the page: where one types, the lines, and the carets of others with their names. */
export const EDITORS = {
  CodeMirror: { code: "from 'codemirror'", input: '.cm-content', line: '.cm-line', caret: '.cm-ySelectionCaret', label: '.cm-ySelectionInfo' },
  Monaco: { code: "from 'y-monaco'", input: '.native-edit-context, .inputarea', line: '.view-line', caret: '.yRemoteSelectionHead' },
  Quill: { code: "from 'y-quill'", input: '.ql-editor', line: '.ql-editor > p', caret: '.ql-cursor', label: '.ql-cursor-name' },
  Tiptap: { code: "from '@tiptap/core'", input: '.ProseMirror', line: '.ProseMirror > p', caret: '.collaboration-carets__caret', label: '.collaboration-carets__label' }
}

/** The module that the README has for an editor. */
function module(editor, wire) {
  for (const line of WIRES[wire]) readme(line.replace('document: doc', "token: 'any'"))
  return WIRES['y-websocket'].reduce((code, line, i) => {
    assert.equal(code.split(line).length, 2, `${editor} has ${line}`)
    return code.replace(line, WIRES[wire][i])
  }, readme(EDITORS[editor].code))
}

/** A server of pages at an origin of its own, as an app has it. */
export class Pages {
  #bundles = new Map()

  static async start() {
    const pages = new Pages()
    pages.server = createServer((request, response) => pages.#answer(request, response).catch((error) => response.writeHead(500).end(`${error.stack}`)))
    pages.server.listen(0, '127.0.0.1')
    await once(pages.server, 'listening')
    pages.origin = `http://127.0.0.1:${pages.server.address().port}`
    return pages
  }

  close() {
    this.server.closeAllConnections()
    this.server.close()
  }

  async #answer(request, response) {
    const { pathname, search, searchParams } = new URL(request.url, this.origin)
    const asked = Object.fromEntries(searchParams)
    const send = (type, body) => response.writeHead(200, { 'content-type': `${type}; charset=utf-8` }).end(body)
    if (pathname === '/') {
      const url = (kind) => `${kind}${search.replaceAll('&', '&amp;')}`
      return send('text/html', `<!doctype html><link rel="icon" href="data:,"><link rel="stylesheet" href="${url('css')}"><div id="editor"></div><script type="module" src="${url('js')}"></script>`)
    }
    if (pathname === '/my-auth-endpoint') {
      return send('application/json', JSON.stringify(await new DocumentManager(`ys://${asked.server}`).getOrCreateDocAndToken(asked.document)))
    }
    const { js, css } = await this.#bundle(asked.editor, asked.wire)
    if (pathname === '/css') return send('text/css', css)
    send('text/javascript', js
      .replaceAll('127.0.0.1:4880', asked.server)
      .replaceAll('/my-auth-endpoint', `/my-auth-endpoint${search}`)
      .replaceAll('"notes/today.md"', JSON.stringify(asked.wire === 'y-websocket' ? encode(asked.document) : asked.document))
      .replaceAll('"Ann"', JSON.stringify(asked.name)))
  }

  #bundle(editor, wire) {
    const key = `${editor} ${wire}`
    if (!this.#bundles.has(key)) {
      const stdin = { contents: module(editor, wire), resolveDir: import.meta.dirname }
      const built = build({ stdin, bundle: true, write: false, minify: true, format: 'esm', outdir: '/', loader: { '.ttf': 'empty' }, logLevel: 'error' })
      this.#bundles.set(key, built.then(({ outputFiles }) => {
        const of = (ending) => outputFiles.find(({ path }) => path.endsWith(ending))?.text ?? ''
        return { js: of('.js'), css: of('.css') }
      }))
    }
    return this.#bundles.get(key)
  }
}

/** Somebody with one of these editors. */
export class Writer {
  static async open(t, browser, pages, server, editor, document, name, wire = 'y-websocket') {
    const writer = new Writer()
    Object.assign(writer, EDITORS[editor], { editor, name })
    writer.visitor = await Visitor.arrive(t, browser)
    writer.page = writer.visitor.page
    const asked = new URLSearchParams({ editor, wire, document, name, server: `127.0.0.1:${server.port}` })
    await writer.page.goto(`${pages.origin}/?${asked}`)
    await until(() => `${editor} is there: ${writer.visitor.problems}`, () => writer.page.locator(writer.input).count())
    return writer
  }

  async press(...keys) {
    await this.page.locator(this.input).focus()
    for (const key of keys) await this.page.keyboard.press(key)
    // An editor hears of a caret that moved in a later event; what others write before that would move it back.
    await this.page.evaluate(() => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve))))
  }

  /** Types where the caret is. */
  async write(text) {
    await this.page.keyboard.type(text)
  }

  /** Puts the caret at the start or the end, and types. */
  async type(text, where = 'End') {
    await this.press(`Control+${where}`)
    await this.write(text)
  }

  /** The text in sight, or in some elements. */
  async text(lines = this.line) {
    return this.page.evaluate(([lines, caret]) => {
      const top = (element) => element.getBoundingClientRect().top
      const elements = [...document.querySelectorAll(lines)].sort((a, b) => top(a) - top(b)).map((element) => element.cloneNode(true))
      for (const element of elements) element.querySelectorAll(caret).forEach((other) => other.remove())
      return elements.map(({ textContent }) => textContent.replaceAll('\u00a0', ' ').replaceAll(/[\u200b\u2060\ufeff]/g, '')).join('\n')
    }, [lines, this.caret])
  }

  async untilText(wanted) {
    const fits = typeof wanted === 'function' ? wanted : (text) => text === wanted
    await until(async () => `${this.name} sees ${wanted}: ${JSON.stringify(await this.text())} ${this.visitor.problems}`, async () => fits(await this.text()))
  }

  /** Until just these others have their carets here, by name where the editor shows one. */
  async untilCarets(...names) {
    const seen = () => this.page.locator(this.label ?? this.caret).allTextContents()
    const fits = (all) => this.label ? `${all.sort()}` === `${names.sort()}` : all.length === names.length
    await until(async () => `${this.name} sees ${names}: ${await seen()}`, async () => fits(await seen()))
  }

  assertNoProblems({ cut = false } = {}) {
    // Monaco says that it has no worker, y-sweet that it comes back already.
    this.visitor.problems = this.visitor.problems.filter((problem) => !/web worker|MonacoEnvironment|connect loop is already running/.test(problem))
    this.visitor.assertNoProblems({ cut })
  }
}
