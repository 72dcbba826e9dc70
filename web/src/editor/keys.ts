/** The page's own shortcuts, one list for the keyboard and for the window that explains it. */
import type { Extension } from '@codemirror/state'
import { keymap } from '@codemirror/view'

export interface Acts {
  find(replace: boolean): void
  findStep(back: boolean): void
  jump(): void
  wrap(): void
  preview(): void
  help(): void
  stop(): boolean
}

export const MAC = /Mac|iP(hone|ad|od)/.test(navigator.platform)

/** “Mod-Shift-z” as the keyboard in front of you has it. */
export function keyName(key: string): string {
  const names: Record<string, string> = MAC ? { Mod: '⌘', Shift: '⇧', Alt: '⌥' } : { Mod: 'Ctrl', Shift: 'Shift', Alt: 'Alt' }
  const parts = key.split('-').map((part) => names[part] ?? (part.length === 1 ? part.toUpperCase() : part))
  return parts.join(MAC ? '' : '+')
}

/** What the keyboard does, what the menu shows beside it and what the list of shortcuts says. */
export const KEYS = {
  undo: 'Mod-z', redo: 'Mod-Shift-z',
  find: 'Mod-f', replace: 'Mod-Alt-f', next: 'Mod-g', previous: 'Mod-Shift-g', jump: 'Alt-g',
  wrap: 'Alt-z', preview: 'Alt-p', help: 'F1',
}

export function pageKeys(acts: Acts): Extension {
  const run = (act: () => unknown) => () => act() !== false
  return keymap.of([
    { key: KEYS.find, run: run(() => acts.find(false)), preventDefault: true },
    { key: KEYS.replace, run: run(() => acts.find(true)), preventDefault: true },
    { key: 'Ctrl-h', run: run(() => acts.find(true)), preventDefault: true },
    { key: KEYS.next, run: run(() => acts.findStep(false)), preventDefault: true },
    { key: KEYS.previous, run: run(() => acts.findStep(true)), preventDefault: true },
    { key: 'F3', run: run(() => acts.findStep(false)), preventDefault: true },
    { key: 'Shift-F3', run: run(() => acts.findStep(true)), preventDefault: true },
    { key: KEYS.jump, run: run(acts.jump), preventDefault: true },
    { key: KEYS.wrap, run: run(acts.wrap), preventDefault: true },
    { key: KEYS.preview, run: run(acts.preview), preventDefault: true },
    { key: KEYS.help, run: run(acts.help), preventDefault: true },
    { key: 'Escape', run: acts.stop },
  ])
}

/** The same keys where the text has no focus. */
export function outsideKey(event: KeyboardEvent, acts: Acts): void {
  const target = event.target as HTMLElement
  if (event.defaultPrevented || target.closest('.cm-editor, dialog')) return
  const typing = target.closest('input, textarea')
  const mod = MAC ? event.metaKey : event.ctrlKey
  const act: (() => unknown) | null =
    mod && event.code === 'KeyF' ? () => acts.find(event.altKey)
    : event.altKey && event.code === 'KeyG' ? acts.jump
    : event.altKey && event.code === 'KeyZ' ? acts.wrap
    : event.altKey && event.code === 'KeyP' ? acts.preview
    : event.key === 'F1' || (event.key === '?' && !typing) ? acts.help
    : event.key === 'Escape' && !typing ? acts.stop
    : null
  if (!act) return
  if (act() !== false) event.preventDefault()
}

export const SHORTCUTS: { title: string; keys: [string, string][] }[] = [
  { title: 'Writing', keys: [['Undo your own edit', KEYS.undo], ['Redo', KEYS.redo], ['Indent', 'Tab'], ['Outdent', 'Shift-Tab'], ['Move line up', 'Alt-↑'], ['Move line down', 'Alt-↓'], ['Leave the text', 'Esc Tab']] },
  { title: 'Finding', keys: [['Find', KEYS.find], ['Find and replace', KEYS.replace], ['Next match', KEYS.next], ['Previous match', KEYS.previous], ['Jump to line', KEYS.jump]] },
  { title: 'The page', keys: [['Wrap lines', KEYS.wrap], ['Markdown preview', KEYS.preview], ['Stop following', 'Esc'], ['This list', KEYS.help], ['This list, outside the text', '?']] },
]
