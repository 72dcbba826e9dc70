/** Markdown to harmless nodes, block by block, so that a keystroke redraws only what it changed. */
import DOMPurify, { type Config } from 'dompurify'
import { Lexer, Marked, type Token, type TokensList } from 'marked'
import { isShown } from './images'

const marked = new Marked({ gfm: true, breaks: false })

/** Longer blocks are shown as they were written: a block is drawn in one go. In UTF-16 units, like the next. */
const LONGEST_BLOCK = 65_536
/** So are the words of longer paragraphs and items: looking for emphasis in one takes its square. */
const LONGEST_RUN = 16_384

/** Finds the blocks of a text. What is inside of them is looked at when they are drawn. */
class Blocks extends Lexer {
  constructor(private readonly whole: boolean, links: TokensList['links'] = {}) {
    super({ ...marked.defaults })
    this.tokens.links = links
  }

  override inlineTokens(source: string, tokens: Token[] = []): Token[] {
    if (!this.whole) return tokens
    if (source.length <= LONGEST_RUN) return super.inlineTokens(source, tokens)
    tokens.push({ type: 'text', raw: source, text: source, escaped: false })
    return tokens
  }
}

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
  /** Empty until it is drawn. */
  node: HTMLElement
  drawn: boolean
  raw: string
  links: TokensList['links']
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

/** An image that is not shown must not even begin to load. */
function keepPrivate(image: Element): void {
  const source = image.getAttribute('src') ?? ''
  if (isShown(source, location.href)) return
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

/** Fills the node of a block. */
export function draw(block: Block): void {
  const { node, raw, links } = block
  block.drawn = true
  try {
    if (raw.length > LONGEST_BLOCK) return asWritten(block)
    node.append(DOMPurify.sanitize(marked.parser(new Blocks(true, links).lex(raw)), ALLOWED))
  } catch {
    return asWritten(block) // Nested deeper than the parser goes.
  }
  for (const image of node.querySelectorAll(`img[${FAR}]`)) linkTo(image)
}

function asWritten({ node, raw }: Block): void {
  node.className = 'as-written'
  node.textContent = raw.trimEnd()
}

function split(text: string): TokensList {
  const lexer = new Blocks(false)
  try {
    return lexer.lex(text)
  } catch {
    return Object.assign([{ type: 'paragraph', raw: text, text } as Token], { links: {} })
  }
}

/** The blocks of `text`; those that `before` already has are the same nodes, the others are not drawn yet. */
export function blocks(text: string, before: Block[]): Block[] {
  const known = new Map<string, Block[]>()
  for (const block of before) {
    const same = known.get(block.source)
    if (same) same.push(block)
    else known.set(block.source, [block])
  }
  // Taken from the end, which costs nothing, and in their order.
  for (const same of known.values()) same.reverse()
  const tokens = split(text)
  const { links } = tokens
  // A definition elsewhere can change what a link means: it is part of what a block says.
  const definitions = JSON.stringify(links)
  const after: Block[] = []
  let line = 0
  for (const { type, raw } of tokens) {
    const lines = raw.split('\n').length - 1
    if (type !== 'space' && type !== 'def') {
      const source = raw.includes('[') ? raw + definitions : raw
      const same = known.get(source)?.pop()
      const node = same?.node ?? document.createElement('div')
      after.push({ source, line, lines: Math.max(1, lines), node, drawn: same?.drawn ?? false, raw, links })
    }
    line += lines
  }
  return after
}
