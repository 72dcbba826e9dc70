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

/** Counted anew at most once in this time, also while somebody types on and on. */
const WAIT_MS = 250
const SLICE = 100_000

class Counter implements PluginValue {
  #timer = 0
  #stale = false
  #gone = false

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
    this.#stale = true
    if (!this.#timer) this.#timer = window.setTimeout(() => void this.#count(), ms)
  }

  async #count(): Promise<void> {
    this.#stale = false
    const { doc, selection } = this.view.state
    const words = await this.#words(doc, 0, doc.length)
    const selected = { words: 0, characters: 0 }
    for (const { from, to } of selection.ranges) {
      selected.words += await this.#words(doc, from, to)
      selected.characters += to - from
    }
    if (this.#gone) return
    const now = this.view.state.selection
    this.counts.set({ ...this.counts.now, words, selected: !now.eq(selection) ? this.counts.now.selected : selected.characters ? selected : null })
    this.#timer = 0
    if (this.#stale) this.#later(WAIT_MS)
  }

  async #words(doc: Text, from: number, to: number): Promise<number> {
    let words = 0
    for (let at = from; at < to && !this.#gone; ) {
      const end = at + SLICE < to ? Math.min(to, doc.lineAt(at + SLICE).to + 1) : to
      words += countWords(doc.sliceString(at, end))
      at = end
      if (at < to) await new Promise((rest) => setTimeout(rest))
    }
    return words
  }

  destroy(): void {
    this.#gone = true
    window.clearTimeout(this.#timer)
  }
}

export function counting(counts: Value<Counts>): Extension {
  return ViewPlugin.define((view) => new Counter(view, counts))
}
