/**
 * Markdown with highlighted code fences. Put together here because the package's own function brings
 * the parsers of HTML, CSS and JavaScript along for the tags that may stand in a text.
 */
import { Language, LanguageDescription, LanguageSupport, ParseContext } from '@codemirror/language'
import { deleteMarkupBackward, insertNewlineContinueMarkupCommand, markdownLanguage, pasteURLAsLink } from '@codemirror/lang-markdown'
import { Prec } from '@codemirror/state'
import { keymap } from '@codemirror/view'
import { parseCode, type MarkdownParser } from '@lezer/markdown'

export function markdown(fences: readonly LanguageDescription[]): LanguageSupport {
  const fence = parseCode({
    codeParser(info) {
      const found = LanguageDescription.matchLanguageName(fences, /\S*/.exec(info)![0], true)
      if (!found) return null
      return found.support ? found.support.language.parser : ParseContext.getSkippingParser(found.load())
    },
  })
  const parser = (markdownLanguage.parser as MarkdownParser).configure(fence)
  return new LanguageSupport(new Language(markdownLanguage.data, parser, [], 'markdown'), [
    pasteURLAsLink,
    Prec.high(keymap.of([
      // Enter on an empty item ends the list; by default it would first set the items apart.
      { key: 'Enter', run: insertNewlineContinueMarkupCommand({ nonTightLists: false }) },
      { key: 'Backspace', run: deleteMarkupBackward },
    ])),
  ])
}
