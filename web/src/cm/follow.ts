/** Scrolls with the caret of the person being followed, until one does something oneself. */
import { type Extension } from '@codemirror/state'
import { EditorView, ViewPlugin, type PluginValue, type ViewUpdate } from '@codemirror/view'
import type { Presence } from '../editor/presence'

const OWN = ['keydown', 'wheel', 'pointerdown', 'touchmove'] as const

class Follower implements PluginValue {
  #stop: () => void
  #wanted = 0

  constructor(private readonly view: EditorView, private readonly presence: Presence) {
    const unwatch = presence.following.watch(() => this.#go())
    presence.awareness.on('change', this.#go)
    const own = () => {
      if (presence.following.now !== null) presence.follow(null)
    }
    for (const event of OWN) view.scrollDOM.addEventListener(event, own, { passive: true })
    this.#stop = () => {
      unwatch()
      presence.awareness.off('change', this.#go)
      for (const event of OWN) view.scrollDOM.removeEventListener(event, own)
    }
  }

  update(update: ViewUpdate): void {
    if (update.docChanged) this.#go()
  }

  #go = (): void => {
    if (this.presence.following.now === null || this.#wanted) return
    this.#wanted = requestAnimationFrame(() => {
      this.#wanted = 0
      const client = this.presence.following.now
      const found = client === null ? null : this.presence.selection(client)
      if (!found) return
      const at = Math.min(found.head, this.view.state.doc.length)
      const box = this.view.scrollDOM.getBoundingClientRect()
      const caret = this.view.coordsAtPos(at)
      const margin = box.height / 5
      if (caret && caret.top > box.top + margin && caret.bottom < box.bottom - margin) return
      this.view.dispatch({ effects: EditorView.scrollIntoView(at, { y: 'center' }) })
    })
  }

  destroy(): void {
    cancelAnimationFrame(this.#wanted)
    this.#stop()
  }
}

export function follow(presence: Presence): Extension {
  return ViewPlugin.define((view) => new Follower(view, presence))
}
