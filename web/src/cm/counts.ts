/** Words and characters, counted a slice at a time so that a long text never makes typing wait. */
import type { Extension, Text } from '@codemirror/state'
import { EditorView, ViewPlugin, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Value } from '../value'

export interface Counts {
  words: number
  characters: number
  /** Of the selection; null when nothing is selected. */
  selected: { words: number; characters: number } | null
  line: number
  column: number
  lines: number
}

/** Scripts without spaces count by character, the others by runs of letters and digits. */
const WORD = /[\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}]|(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}])[\p{L}\p{N}\p{M}])+(?:['’\-.](?=[\p{L}\p{N}])(?:(?![\p{sc=Han}\p{sc=Hiragana}\p{sc=Katakana}\p{sc=Thai}])[\p{L}\p{N}\p{M}])+)*/gu

export function countWords(text: string): number {
  return text.match(WORD)?.length ?? 0
}

const WAIT_MS = 250
const SLICE = 100_000

class Counter implements PluginValue {
  #timer = 0
  #run = 0

  constructor(private readonly view: EditorView, private readonly counts: Value<Counts>) {
    this.#place()
    this.#later(0)
  }

  update(update: ViewUpdate): void {
    if (update.docChanged || update.selectionSet) {
      this.#place()
      this.#later(WAIT_MS)
    }
  }

  #place(): void {
    const { doc, selection } = this.view.state
    const line = doc.lineAt(selection.main.head)
    const next = { line: line.number, column: selection.main.head - line.from + 1, lines: doc.lines }
    const selected = selection.ranges.every((r) => r.empty) ? null : this.counts.now.selected
    this.counts.set({ ...this.counts.now, ...next, characters: doc.length, selected })
  }

  #later(ms: number): void {
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => void this.#count(), ms)
  }

  async #count(): Promise<void> {
    const run = ++this.#run
    const { doc, selection } = this.view.state
    const words = await this.#words(doc, 0, doc.length, run)
    const selected = { words: 0, characters: 0 }
    for (const { from, to } of selection.ranges) {
      selected.words += await this.#words(doc, from, to, run)
      selected.characters += to - from
    }
    if (run === this.#run) this.counts.set({ ...this.counts.now, words, selected: selected.characters ? selected : null })
  }

  async #words(doc: Text, from: number, to: number, run: number): Promise<number> {
    let words = 0
    for (let at = from; at < to && run === this.#run; ) {
      const end = at + SLICE < to ? Math.min(to, doc.lineAt(at + SLICE).to + 1) : to
      words += countWords(doc.sliceString(at, end))
      at = end
      if (at < to) await new Promise((rest) => setTimeout(rest))
    }
    return words
  }

  destroy(): void {
    this.#run += 1
    window.clearTimeout(this.#timer)
  }
}

export function counting(counts: Value<Counts>): Extension {
  return ViewPlugin.define((view) => new Counter(view, counts))
}
