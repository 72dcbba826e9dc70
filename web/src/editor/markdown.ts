/** Markdown to harmless nodes, block by block, so that a keystroke redraws only what it changed. */
import DOMPurify, { type Config } from 'dompurify'
import { Marked, type Token, type Tokens } from 'marked'

const marked = new Marked({ gfm: true, breaks: false })

/**
 * The sanitiser removes all of this; taken out before, parsing it does not even trip the security policy.
 * Elements that may not stand in the preview are shown as they were written.
 */
marked.use({
  renderer: {
    html: ({ text }) =>
      text
        .replace(/<(\/?(?:style|script|iframe|object|embed|link|meta|base)\b)/gi, '&lt;$1')
        .replace(/<[^>]*>/g, (tag) => tag.replace(/([\s"'/])((?:on\w+|style)\s*=)/gi, '$1data-$2')),
  },
})

export interface Block {
  source: string
  /** First line of the block in the text, from 0. */
  line: number
  lines: number
  node: HTMLElement
}

const ALLOWED = {
  ALLOWED_TAGS: [
    'a', 'abbr', 'b', 'blockquote', 'br', 'code', 'dd', 'del', 'details', 'div', 'dl', 'dt', 'em', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'hr', 'i',
    'img', 'input', 'ins', 'kbd', 'li', 'mark', 'ol', 'p', 'pre', 'q', 's', 'samp', 'small', 'span', 'strong', 'sub', 'summary', 'sup', 'table', 'tbody',
    'td', 'tfoot', 'th', 'thead', 'tr', 'u', 'ul', 'var',
  ],
  ALLOWED_ATTR: ['align', 'alt', 'checked', 'colspan', 'dir', 'disabled', 'href', 'lang', 'open', 'rowspan', 'src', 'start', 'title', 'type'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  RETURN_DOM_FRAGMENT: true as const,
} satisfies Config

DOMPurify.addHook('afterSanitizeAttributes', (node) => {
  if (node.tagName === 'A' && node.hasAttribute('href')) {
    node.setAttribute('target', '_blank')
    node.setAttribute('rel', 'noopener noreferrer nofollow')
  }
  // Only the boxes of task lists; nothing that could ask for input.
  if (node.tagName === 'INPUT') {
    if (node.getAttribute('type') !== 'checkbox') node.remove()
    node.setAttribute('disabled', '')
    node.setAttribute('aria-label', node.hasAttribute('checked') ? 'Done' : 'Not done')
  }
  if (node.tagName === 'IMG') keepPrivate(node)
})

const FAR = 'data-far'

/** An image from elsewhere would tell its host who reads the document: it must not even begin to load. */
function keepPrivate(image: Element): void {
  const source = image.getAttribute('src') ?? ''
  const own = /^data:image\//i.test(source) || (URL.canParse(source, location.href) && new URL(source, location.href).origin === location.origin)
  if (own) return
  image.removeAttribute('src')
  image.setAttribute(FAR, source)
}

/** In its place stands a link. */
function linkTo(image: Element): void {
  const source = image.getAttribute(FAR) ?? ''
  const link = document.createElement('a')
  link.textContent = image.getAttribute('alt') || source
  if (/^https?:/i.test(source)) {
    link.href = source
    link.target = '_blank'
    link.rel = 'noopener noreferrer nofollow'
  }
  link.className = 'far-image'
  image.replaceWith(link)
}

function draw(token: Token): HTMLElement {
  const node = document.createElement('div')
  node.append(DOMPurify.sanitize(marked.parser([token]), ALLOWED))
  for (const image of node.querySelectorAll(`img[${FAR}]`)) linkTo(image)
  return node
}

/** The blocks of `text`; those that `before` already has are the same nodes. */
export function blocks(text: string, before: Block[]): Block[] {
  const known = new Map<string, HTMLElement[]>()
  for (const block of before) known.set(block.source, [...(known.get(block.source) ?? []), block.node])
  const tokens = marked.lexer(text)
  // A definition elsewhere can change what a link means: it is part of what a block says.
  const definitions = JSON.stringify(tokens.links)
  const after: Block[] = []
  let line = 0
  for (const token of tokens) {
    const lines = token.raw.split('\n').length - 1
    if (token.type !== 'space' && token.type !== 'def') {
      const source = (token as Tokens.Generic).raw.includes('[') ? token.raw + definitions : token.raw
      after.push({ source, line, lines: Math.max(1, lines), node: known.get(source)?.shift() ?? draw(token) })
    }
    line += lines
  }
  return after
}
