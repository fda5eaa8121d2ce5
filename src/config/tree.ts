/**
 * This file turns YAML text into plain data, with the position of every key and value.
 *
 * It accepts the part of YAML 1.2 that means the same to every reader: no tags, one document, text keys, a bounded number of
 * values, no plain scalar that YAML 1.1 reads as something else.
 */
import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Scalar, type YAMLError, type YAMLMap } from 'yaml'
import { pointerTo, type Finding, type Position } from './problems.ts'

const MAX_CHARACTERS = 1_048_576
const MAX_VALUES = 20_000
const MAX_DEPTH = 32

/** What a text holds, as far as it could be read. `data` is undefined when the YAML itself is broken. */
export interface Tree {
  readonly data: unknown
  readonly findings: readonly Finding[]
  /** Problems of the YAML, which have a position but no pointer. */
  readonly broken: readonly (Position & { readonly message: string })[]
  /** The place of a value or its key; of what is not there, the nearest place around it. */
  positionOf (pointer: string, part: Finding['part']): Position
}

interface Place { readonly key: number | undefined, readonly value: number }

/** Reads YAML text. Never throws, whatever the text is. */
export function readTree (text: string): Tree {
  if (text.length > MAX_CHARACTERS) return brokenTree([{ line: 1, column: 1, message: 'the file is larger than 1 MiB' }])
  const lines = new LineCounter()
  const document = parse(text, lines)
  if (document === undefined) return brokenTree([{ line: 1, column: 1, message: 'is nested too deeply to be read' }])

  const at = (offset: number): Position => {
    const { line, col } = lines.linePos(offset)
    return { line: Math.max(line, 1), column: Math.max(col, 1) }
  }
  const errors = [...document.errors, ...document.warnings]
  if (errors.length > 0) return brokenTree(errors.map(error => ({ ...at(error.pos[0]), message: sentenceFor(error) })))
  if (document.directives?.yaml.explicit === true && document.directives.yaml.version !== '1.2') {
    return brokenTree([{ line: 1, column: 1, message: 'remove the %YAML directive: this file is read as YAML 1.2' }])
  }
  if (document.contents === null) return brokenTree([{ line: 1, column: 1, message: 'the file is empty' }])

  const { data, places, findings } = walk(document)
  return { data, findings, broken: [], positionOf: (pointer, part) => at(nearest(places, pointer, part)) }
}

function brokenTree (broken: Tree['broken']): Tree {
  return { data: undefined, findings: [], broken, positionOf: () => ({ line: 1, column: 1 }) }
}

function parse (text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, {
      version: '1.2', schema: 'core', uniqueKeys: true, merge: false, resolveKnownTags: false, prettyErrors: false, logLevel: 'silent', lineCounter
    })
  } catch {
    return undefined // the parser recurses: thousands of brackets exhaust the stack
  }
}

/** The parser's own messages quote the text, and the text may hold a secret: only its codes are used. */
const SENTENCES: { readonly [code in YAMLError['code']]?: string } = {
  BAD_ALIAS: 'names an anchor that is not defined before it',
  BAD_INDENT: 'is indented differently from the lines it belongs to',
  DUPLICATE_KEY: 'this key stands here a second time: remove one of them',
  MULTIPLE_DOCS: 'a second document begins here: a config is one document',
  MISSING_CHAR: 'a closing quote, bracket or a colon or comma is missing',
  TAB_AS_INDENT: 'is indented with a tab: use spaces',
  TAG_RESOLVE_FAILED: 'tags (!...) are not supported: remove it',
  UNEXPECTED_TOKEN: 'is not expected here: check quotes, brackets and the space after each colon'
}

function sentenceFor (error: YAMLError): string {
  return SENTENCES[error.code] ?? 'is not valid YAML: check quotes, brackets and indentation'
}

function nearest (places: ReadonlyMap<string, Place>, pointer: string, part: Finding['part']): number {
  const place = places.get(pointer)
  if (place !== undefined) return part === 'key' ? place.key ?? place.value : place.value
  return pointer === '' ? 0 : nearest(places, pointer.slice(0, pointer.lastIndexOf('/')), 'key')
}

function walk (document: Document.Parsed) {
  const places = new Map<string, Place>()
  const findings: Finding[] = []
  let values = 0

  function report (pointer: string, part: Finding['part'], message: string) {
    findings.push({ pointer, part, message })
  }

  function valueOf (node: Node | null, pointer: string, depth: number, key: Place['key'], after: number): unknown {
    places.set(pointer, { key, value: node?.range?.[0] ?? after })
    values += 1
    if (values > MAX_VALUES || depth > MAX_DEPTH) {
      if (values <= MAX_VALUES + 1) report(pointer, 'value', 'has too many values or levels, aliases counted')
      values = Infinity
      return undefined
    }
    if (isAlias(node)) return valueOf(node.resolve(document) ?? null, pointer, depth + 1, key, node.range?.[0] ?? after)
    if (node?.tag !== undefined) report(pointer, 'value', 'tags (!...) are not supported: remove it')
    if (isMap(node)) return mapOf(node, pointer, depth)
    if (isSeq(node)) return node.items.map((item, index) => valueOf(item as Node | null, pointerTo(pointer, index), depth + 1, undefined, node.range?.[0] ?? after))
    return isScalar(node) ? scalarOf(node, pointer) : null
  }

  function mapOf (map: YAMLMap, pointer: string, depth: number): Record<string, unknown> {
    const data: Record<string, unknown> = {}
    for (const { key, value } of map.items) {
      const offset = (key as Node | null)?.range?.[0] ?? map.range?.[0] ?? 0
      const name = isScalar(key) && typeof key.value === 'string' ? key.value : undefined
      if (name === undefined || name === '__proto__' || (key as Scalar).tag !== undefined || isTrap(key as Scalar)) {
        const place = pointerTo(pointer, map.items.findIndex(item => item.key === key))
        places.set(place, { key: offset, value: offset })
        report(place, 'key', 'cannot be a key: put it in quotes if it is meant as a name')
        continue
      }
      const child = pointerTo(pointer, name)
      data[name] = valueOf(value as Node | null, child, depth + 1, offset, offset)
    }
    return data
  }

  function scalarOf (scalar: Scalar, pointer: string): unknown {
    if (isTrap(scalar)) {
      report(pointer, 'value', 'an unquoted yes, no, on or off means true or false to other readers of YAML: put a text in quotes, else write true or false')
    }
    if (typeof scalar.value === 'number' && !/^-?(0|[1-9]\d*)$/.test(scalar.source ?? '')) {
      report(pointer, 'value', 'must be written in plain decimal digits, or in quotes if it is a text')
    }
    return scalar.value
  }

  return { data: valueOf(document.contents as Node, '', 0, undefined, 0), places, findings }
}

function isTrap (scalar: Scalar): boolean {
  return scalar.type === 'PLAIN' && typeof scalar.value === 'string' && /^(yes|no|on|off)$/i.test(scalar.value)
}
