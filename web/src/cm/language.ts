/** The language of a document, by the ending of its name; each is loaded when it is needed. */
import { LanguageDescription, LanguageSupport, StreamLanguage, type StreamParser } from '@codemirror/language'
import type { Extension } from '@codemirror/state'
import { ending, splitName } from '../name'

const legacy = (parser: StreamParser<unknown>) => new LanguageSupport(StreamLanguage.define(parser))
const describe = (name: string, extensions: string, load: () => Promise<LanguageSupport>, alias: string[] = []) =>
  LanguageDescription.of({ name, extensions: extensions.split(' '), alias, load })

const js = (config: { jsx?: boolean; typescript?: boolean }) => () =>
  import('@codemirror/lang-javascript').then((m) => m.javascript(config))

const LANGUAGES: LanguageDescription[] = [
  describe('Markdown', 'md markdown mkd', () => import('./markdown-language').then((m) => m.markdown(LANGUAGES))),
  describe('JavaScript', 'js mjs cjs', js({}), ['javascript', 'node']),
  describe('JSX', 'jsx', js({ jsx: true })),
  describe('TypeScript', 'ts mts cts', js({ typescript: true }), ['typescript']),
  describe('TSX', 'tsx', js({ jsx: true, typescript: true })),
  describe('Rust', 'rs', () => import('@codemirror/lang-rust').then((m) => m.rust())),
  describe('Python', 'py pyi', () => import('@codemirror/lang-python').then((m) => m.python())),
  describe('JSON', 'json jsonc webmanifest', () => import('@codemirror/lang-json').then((m) => m.json())),
  describe('HTML', 'html htm', () => import('@codemirror/lang-html').then((m) => m.html())),
  describe('CSS', 'css', () => import('@codemirror/lang-css').then((m) => m.css())),
  describe('Go', 'go', () => import('@codemirror/lang-go').then((m) => m.go()), ['golang']),
  describe('Java', 'java', () => import('@codemirror/lang-java').then((m) => m.java())),
  describe('C++', 'c h cc cpp cxx hpp hh', () => import('@codemirror/lang-cpp').then((m) => m.cpp()), ['c']),
  describe('YAML', 'yaml yml', () => import('@codemirror/lang-yaml').then((m) => m.yaml())),
  describe('XML', 'xml svg xsd', () => import('@codemirror/lang-xml').then((m) => m.xml())),
  describe('SQL', 'sql', () => import('@codemirror/lang-sql').then((m) => m.sql())),
  describe('TOML', 'toml', () => import('@codemirror/legacy-modes/mode/toml').then((m) => legacy(m.toml))),
  describe('Shell', 'sh bash zsh', () => import('@codemirror/legacy-modes/mode/shell').then((m) => legacy(m.shell)), ['shell', 'console']),
  describe('Ruby', 'rb', () => import('@codemirror/legacy-modes/mode/ruby').then((m) => legacy(m.ruby))),
  describe('Lua', 'lua', () => import('@codemirror/legacy-modes/mode/lua').then((m) => legacy(m.lua))),
  describe('Swift', 'swift', () => import('@codemirror/legacy-modes/mode/swift').then((m) => legacy(m.swift))),
  describe('Kotlin', 'kt kts', () => import('@codemirror/legacy-modes/mode/clike').then((m) => legacy(m.kotlin))),
  describe('C#', 'cs', () => import('@codemirror/legacy-modes/mode/clike').then((m) => legacy(m.csharp))),
  describe('Haskell', 'hs', () => import('@codemirror/legacy-modes/mode/haskell').then((m) => legacy(m.haskell))),
  describe('Perl', 'pl pm', () => import('@codemirror/legacy-modes/mode/perl').then((m) => legacy(m.perl))),
  describe('R', 'r', () => import('@codemirror/legacy-modes/mode/r').then((m) => legacy(m.r))),
  describe('Nginx', 'nginx', () => import('@codemirror/legacy-modes/mode/nginx').then((m) => legacy(m.nginx))),
  describe('Properties', 'ini properties conf env', () => import('@codemirror/legacy-modes/mode/properties').then((m) => legacy(m.properties))),
  describe('Diff', 'diff patch', () => import('@codemirror/legacy-modes/mode/diff').then((m) => legacy(m.diff))),
  describe('Dockerfile', 'dockerfile', () => import('@codemirror/legacy-modes/mode/dockerfile').then((m) => legacy(m.dockerFile))),
  describe('LaTeX', 'tex sty', () => import('@codemirror/legacy-modes/mode/stex').then((m) => legacy(m.stex))),
]

const PROSE = new Set(['', 'md', 'markdown', 'mkd', 'txt', 'text'])

export interface Kind {
  /** What people call it. */
  label: string
  style: 'prose' | 'code'
  markdown: boolean
  load: (() => Promise<Extension>) | null
}

export function kindOf(name: string): Kind {
  const { last } = splitName(name)
  const found = /^dockerfile$/i.test(last) ? 'dockerfile' : ending(name)
  const language = LANGUAGES.find((l) => l.extensions.includes(found))
  return {
    label: language?.name ?? 'Plain text',
    style: PROSE.has(found) ? 'prose' : 'code',
    markdown: language === LANGUAGES[0],
    load: language ? () => language.load() : null,
  }
}
