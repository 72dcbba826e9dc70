/** How the text looks: CodeMirror's own parts in the page's tokens, and the colours of syntax. */
import { HighlightStyle, syntaxHighlighting } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { EditorView } from '@codemirror/view'
import { tags as t } from '@lezer/highlight'

const base = EditorView.theme({
  '&': { height: '100%', color: 'var(--ink)', backgroundColor: 'transparent' },
  '&.cm-focused': { outline: 'none' },
  '.cm-scroller': { overflow: 'auto', overscrollBehavior: 'contain' },
  '.cm-content': { caretColor: 'var(--accent)', padding: 'var(--s6) 0 40vh' },
  '.cm-cursor, .cm-dropCursor': { borderLeft: '2px solid var(--accent)', marginLeft: '-1px' },
  '.cm-selectionBackground, &.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground': { backgroundColor: 'var(--selection)' },
  '.cm-gutters': { backgroundColor: 'var(--paper)', color: 'var(--ink-3)', border: 'none' },
  '.cm-lineNumbers .cm-gutterElement': { minWidth: '3.5em', padding: '0 var(--s3) 0 var(--s2)', fontVariantNumeric: 'tabular-nums' },
  '.cm-activeLine': { backgroundColor: 'transparent' },
  '.cm-activeLineGutter': { backgroundColor: 'transparent', color: 'var(--ink)' },
  '.cm-matchingBracket, &.cm-focused .cm-matchingBracket': { backgroundColor: 'var(--accent-soft)', outline: 'none' },
  '.cm-nonmatchingBracket, &.cm-focused .cm-nonmatchingBracket': { backgroundColor: 'var(--danger-soft)' },
  '.cm-specialChar': { color: 'var(--danger)' },
  '.rw-return': { display: 'inline-block', height: '1em', verticalAlign: 'text-bottom' },
  '.cm-searchMatch': { backgroundColor: 'var(--match)', borderRadius: '2px' },
  '.cm-searchMatch-selected': { backgroundColor: 'var(--match-now)' },
  '.cm-panels': { backgroundColor: 'transparent', color: 'inherit' },
  '.cm-panels-top': { position: 'absolute', inset: 'var(--s2) var(--s4) auto auto', zIndex: 10, width: 'min(30rem, calc(100% - var(--s5)))', border: 'none' },
})

const prose = EditorView.theme({
  '.cm-scroller': { fontFamily: 'var(--sans)', fontSize: 'var(--text-prose)', lineHeight: '1.7' },
  '.cm-content': { maxWidth: 'var(--measure)', margin: '0 auto', padding: 'var(--s7) 0 40vh' },
  // On the lines and not around them: selections are drawn as wide as a line.
  '.cm-line': { padding: '0 var(--s5)' },
  '.rw-fixed': { fontFamily: 'var(--mono)', fontSize: 'var(--text-code)' },
  '.rw-fixed span': { fontSize: 'inherit' },
})

const code = EditorView.theme({
  '.cm-scroller': { fontFamily: 'var(--mono)', fontSize: 'var(--text-code)', lineHeight: '1.65' },
  // Above the first line is room for the names of those who write in it.
  '.cm-content': { padding: 'var(--s5) 0 40vh' },
  '.cm-line': { padding: '0 var(--s4) 0 var(--s1)' },
})

const colours = HighlightStyle.define([
  { tag: [t.keyword, t.operatorKeyword, t.modifier, t.controlKeyword, t.definitionKeyword, t.moduleKeyword], color: 'var(--syn-keyword)' },
  { tag: [t.string, t.special(t.string), t.regexp, t.character, t.attributeValue], color: 'var(--syn-string)' },
  { tag: [t.number, t.bool, t.null, t.atom, t.unit, t.color], color: 'var(--syn-number)' },
  { tag: [t.function(t.variableName), t.function(t.propertyName), t.labelName, t.macroName, t.tagName], color: 'var(--syn-name)' },
  { tag: [t.typeName, t.className, t.namespace, t.attributeName, t.standard(t.name), t.propertyName], color: 'var(--syn-type)' },
  { tag: [t.comment, t.lineComment, t.blockComment, t.docComment, t.meta], color: 'var(--syn-quiet)', fontStyle: 'italic' },
  { tag: t.invalid, color: 'var(--danger)' },
  { tag: t.heading, fontWeight: 'var(--weight-title)' },
  { tag: t.heading1, fontWeight: 'var(--weight-title)', fontSize: '1.35em' },
  { tag: t.heading2, fontWeight: 'var(--weight-title)', fontSize: '1.15em' },
  { tag: t.strong, fontWeight: 'var(--weight-title)' },
  { tag: t.emphasis, fontStyle: 'italic' },
  { tag: t.strikethrough, textDecoration: 'line-through' },
  { tag: t.quote, color: 'var(--ink-2)' },
  { tag: t.monospace, fontFamily: 'var(--mono)', fontSize: '0.9em' },
  { tag: t.link, color: 'var(--accent)' },
  { tag: t.url, color: 'var(--ink-3)' },
  { tag: [t.processingInstruction, t.contentSeparator], color: 'var(--ink-3)', fontWeight: 'var(--weight)' },
])

/** `prose` has a measure and the system's reading face, `code` a gutter and a fixed pitch. */
export function look(kind: 'prose' | 'code'): Extension {
  // What comes first wins.
  return [kind === 'prose' ? prose : code, base, syntaxHighlighting(colours)]
}
