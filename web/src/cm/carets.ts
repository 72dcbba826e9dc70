/**
 * The others' carets and selections, drawn in layers beside the text: nothing is inserted into the
 * lines, so neither an input method nor a screen reader ever meets them.
 */
import { EditorSelection, StateEffect, type Extension } from '@codemirror/state'
import { EditorView, layer, RectangleMarker, ViewPlugin, type LayerMarker, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Presence } from '../editor/presence'

const moved = StateEffect.define<null>()
/** A name shows for this long after its caret has moved. */
const NAME_MS = 2_400
/** The pointer is at a caret up to this far from it. */
const NEAR_PX = 6

class Caret implements LayerMarker {
  constructor(
    readonly client: number, readonly color: number, readonly name: string,
    readonly left: number, readonly top: number, readonly height: number,
    readonly named: boolean, readonly edge: '' | ' end',
  ) {}

  eq(other: Caret): boolean {
    return this.client === other.client && this.color === other.color && this.name === other.name && this.left === other.left &&
      this.top === other.top && this.height === other.height && this.named === other.named && this.edge === other.edge
  }

  draw(): HTMLElement {
    const element = document.createElement('div')
    this.#fill(element)
    return element
  }

  update(element: HTMLElement, old: Caret): boolean {
    if (old.client !== this.client) return false
    this.#fill(element)
    return true
  }

  #fill(element: HTMLElement): void {
    element.className = `rw-caret person-${this.color}${this.named ? ' named' : ''}${this.edge}`
    element.style.left = `${this.left}px`
    element.style.top = `${this.top}px`
    element.style.height = `${this.height}px`
    element.dataset.name = this.name
    element.dataset.testid = 'caret'
  }
}

/** When each peer's caret last moved. */
class Movements implements PluginValue {
  readonly at = new Map<number, number>()
  #heads = new Map<number, string>()
  #timer = 0

  constructor(private readonly view: EditorView, private readonly presence: Presence) {
    presence.awareness.on('change', this.#changed)
    for (const client of presence.awareness.getStates().keys()) this.#note(client)
  }

  named(client: number): boolean {
    return Date.now() - (this.at.get(client) ?? 0) < NAME_MS
  }

  #note(client: number): void {
    const head = JSON.stringify(this.presence.awareness.getStates().get(client)?.cursor ?? null)
    if (this.#heads.get(client) === head) return
    this.#heads.set(client, head)
    this.at.set(client, Date.now())
  }

  #changed = ({ added, updated, removed }: { added: number[]; updated: number[]; removed: number[] }): void => {
    for (const client of [...added, ...updated]) this.#note(client)
    for (const client of removed) {
      this.#heads.delete(client)
      this.at.delete(client)
    }
    if ([...added, ...updated, ...removed].some((c) => c !== this.presence.awareness.clientID)) this.#redraw()
  }

  #redraw(): void {
    this.view.dispatch({ effects: moved.of(null) })
    window.clearTimeout(this.#timer)
    this.#timer = window.setTimeout(() => this.view.dispatch({ effects: moved.of(null) }), NAME_MS + 50)
  }

  destroy(): void {
    window.clearTimeout(this.#timer)
    this.presence.awareness.off('change', this.#changed)
  }
}

/** Carets let clicks through to the text, so they are not hovered themselves. */
function point(event: MouseEvent, view: EditorView): void {
  for (const caret of view.scrollDOM.querySelectorAll('.rw-caret')) {
    const { left, right, top, bottom } = caret.getBoundingClientRect()
    const across = event.clientX > left - NEAR_PX && event.clientX < right + NEAR_PX
    caret.classList.toggle('near', across && event.clientY > top - NEAR_PX && event.clientY < bottom)
  }
}

const stale = (update: ViewUpdate) =>
  update.docChanged || update.viewportChanged || update.geometryChanged || update.transactions.some((t) => t.effects.some((e) => e.is(moved)))

export function carets(presence: Presence): Extension {
  const movements = ViewPlugin.define((view) => new Movements(view, presence))
  const spots = (view: EditorView) =>
    presence.peers.now.flatMap((peer) => {
      const found = presence.selection(peer.client)
      const longest = view.state.doc.length
      return found ? [{ ...peer, anchor: Math.min(found.anchor, longest), head: Math.min(found.head, longest) }] : []
    })

  return [
    movements,
    layer({
      above: false,
      class: 'rw-selections',
      update: stale,
      markers: (view) =>
        spots(view).flatMap(({ anchor, head, color }) =>
          anchor === head ? [] : RectangleMarker.forRange(view, `rw-selected person-${color}`, EditorSelection.range(anchor, head))),
    }),
    layer({
      above: true,
      class: 'rw-carets',
      update: stale,
      markers: (view) =>
        spots(view).flatMap(({ client, head, color, name }) => {
          const [box] = RectangleMarker.forRange(view, '', EditorSelection.cursor(head))
          if (!box) return []
          const named = view.plugin(movements)?.named(client) ?? false
          const edge = box.left > view.scrollDOM.clientWidth + view.scrollDOM.scrollLeft - 140 ? ' end' : ''
          return [new Caret(client, color, name, box.left, box.top, box.height, named, edge)]
        }),
    }),
    EditorView.domEventHandlers({ mousemove: point, mouseleave: point }),
    EditorView.updateListener.of((update) => {
      if (update.selectionSet || update.docChanged || update.focusChanged) {
        presence.point(() => update.view.state.selection.main)
      }
    }),
  ]
}
