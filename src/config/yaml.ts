/**
 * This file reads YAML text into the parser's nodes. It accepts one document of YAML 1.2 of a bounded size and depth, takes no
 * longer for hostile text than for any other, and never throws.
 */
import { Composer, Lexer, LineCounter, Parser, YAMLParseError, type CST, type Document, type YAMLError } from 'yaml'
import type { Position } from './problems.ts'

export const MAX_DEPTH = 32
const MAX_CHARACTERS = 1_048_576
/** A parser that lost its way finds something wrong with every character. */
const MAX_ERRORS = 20

/** A problem of the YAML itself, which belongs to no setting. */
export interface Flaw extends Position {
  readonly message: string
}

export type Yaml =
  | { readonly kind: 'document', readonly document: Document.Parsed, /** where an offset is */ readonly at: (offset: number) => Position }
  | { readonly kind: 'broken', readonly flaws: readonly Flaw[] }

export function readYaml (text: string): Yaml {
  if (text.length > MAX_CHARACTERS) return broken('the file is larger than 1 MiB')
  const lines = new LineCounter()
  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const document = parse(text, lines)
  if (document === undefined) return broken('the file is nested too deeply')
  const errors = [...document.errors, ...document.warnings].slice(0, MAX_ERRORS)
  if (errors.length > 0) return { kind: 'broken', flaws: errors.map(error => ({ ...at(error.pos[0]), message: sentenceFor(error) })) }
  const { explicit, version } = document.directives.yaml
  if (explicit === true && version !== '1.2') return broken('remove the %YAML directive: this file is read as YAML 1.2')
  return document.contents === null ? broken('the file is empty') : { kind: 'document', document, at }
}

function broken (message: string): Yaml {
  return { kind: 'broken', flaws: [{ line: 1, column: 1, message }] }
}

/** @returns undefined for a text that nests deeper than any config does */
function parse (text: string, lines: LineCounter): Document.Parsed | undefined {
  const tokens = tokensOf(text, lines)
  if (tokens === undefined) return undefined
  // The composer's own search for duplicate keys compares each with each, which takes a minute for 1 MiB of keys.
  const composer = new Composer({ version: '1.2', schema: 'core', uniqueKeys: false, merge: false, resolveKnownTags: false })
  const [document, second] = composer.compose(tokens, true, text.length) as Iterable<Document.Parsed>
  if (second !== undefined) document!.errors.push(new YAMLParseError([second.range[0], second.range[1]], 'MULTIPLE_DOCS', ''))
  return document
}

/** Composing recurses, and a stack that ends inside of a regular expression ends the process: the depth is watched here. */
function tokensOf (text: string, lines: LineCounter): CST.Token[] | undefined {
  const parser = new Parser(lines.addNewLine)
  const tokens: CST.Token[] = []
  lines.addNewLine(0)
  for (const lexeme of new Lexer().lex(text)) {
    tokens.push(...parser.next(lexeme))
    if (parser.stack.length > MAX_DEPTH * 2) return undefined
  }
  tokens.push(...parser.end())
  return tokens
}

/** The parser's own messages quote the text, and the text may hold a secret: only its codes are used. */
const SENTENCES: { readonly [code in YAMLError['code']]?: string } = {
  BAD_INDENT: 'this line is indented differently from those it belongs to',
  MULTIPLE_DOCS: 'a second document begins here: a config is one document',
  MISSING_CHAR: 'a closing quote, bracket or a colon or comma is missing',
  TAB_AS_INDENT: 'this line is indented with a tab: use spaces',
  TAG_RESOLVE_FAILED: 'a tag (!...) is not supported: remove it',
  UNEXPECTED_TOKEN: 'this is not expected here: check quotes, brackets and the space after each colon'
}

function sentenceFor (error: YAMLError): string {
  return SENTENCES[error.code] ?? 'this is not valid YAML: check quotes, brackets and indentation'
}
