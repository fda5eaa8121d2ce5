/**
 * This file turns YAML text into plain data, with the position of every key and value.
 *
 * It accepts the part of YAML 1.2 that means the same to every reader: no tags, one document, text keys, a bounded number of
 * values, no plain scalar that YAML 1.1 reads as something else.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document, Scalar, YAMLError, YAMLMap } from 'yaml'
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
  if (document === undefined) return brokenTree([{ line: 1, column: 1, message: 'the file is nested too deeply' }])

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

  const { data, places, findings, isTooLarge } = walk(document)
  if (isTooLarge) return brokenTree([{ line: 1, column: 1, message: 'the file has too many values or levels, aliases counted' }])
  return { data, findings, broken: [], positionOf: (pointer, part) => at(nearest(places, pointer, part)) }
}

function brokenTree (broken: Tree['broken']): Tree {
  return { data: undefined, findings: [], broken, positionOf: () => ({ line: 1, column: 1 }) }
}

function parse (text: string, lineCounter: LineCounter): Document.Parsed | undefined {
  try {
    return parseDocument(text, {
      version: '1.2', schema: 'core', uniqueKeys: true, merge: false, resolveKnownTags: false, prettyErrors: false, lineCounter
    })
  } catch {
    return undefined // the parser recurses: thousands of brackets exhaust the stack
  }
}

const TAG = 'has a tag (!...), which is not supported: remove it'

/** The parser's own messages quote the text, and the text may hold a secret: only its codes are used. */
const SENTENCES: { readonly [code in YAMLError['code']]?: string } = {
  BAD_ALIAS: 'this alias names an anchor that is not defined before it',
  BAD_INDENT: 'this line is indented differently from those it belongs to',
  DUPLICATE_KEY: 'this key stands here a second time: remove one of them',
  MULTIPLE_DOCS: 'a second document begins here: a config is one document',
  MISSING_CHAR: 'a closing quote, bracket or a colon or comma is missing',
  TAB_AS_INDENT: 'this line is indented with a tab: use spaces',
  TAG_RESOLVE_FAILED: `this ${TAG}`,
  UNEXPECTED_TOKEN: 'this is not expected here: check quotes, brackets and the space after each colon'
}

function sentenceFor (error: YAMLError): string {
  return SENTENCES[error.code] ?? 'this is not valid YAML: check quotes, brackets and indentation'
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

  /** @param value - where the value stands if it is empty and so has no place of its own */
  function valueOf (node: unknown, pointer: string, depth: number, { key, value: fallback }: Place): unknown {
    const start = isNode(node) ? node.range?.[0] ?? fallback : fallback
    places.set(pointer, { key, value: start })
    values += depth > MAX_DEPTH ? MAX_VALUES : 1
    if (values > MAX_VALUES) return undefined // counted after aliases are followed, which multiply and may turn in circles
    if (isAlias(node)) return valueOf(node.resolve(document), pointer, depth + 1, { key, value: start })
    if (isNode(node) && node.tag !== undefined) findings.push({ pointer, part: 'value', message: TAG })
    if (isMap(node)) return mapOf(node, pointer, depth)
    if (isSeq(node)) {
      const place = { key: undefined, value: start }
      return node.items.map((item, index) => valueOf(item, pointerTo(pointer, index), depth + 1, place))
    }
    return isScalar(node) ? scalarOf(node, pointer) : null
  }

  function mapOf (map: YAMLMap, pointer: string, depth: number): Record<string, unknown> {
    const data: Record<string, unknown> = {}
    map.items.forEach(({ key, value }, index) => {
      const start = isNode(key) ? key.range?.[0] ?? 0 : 0
      const place = { key: start, value: start }
      const name = nameOf(key)
      if (name !== undefined) {
        data[name] = valueOf(value, pointerTo(pointer, name), depth + 1, place)
        return
      }
      const unnamed = pointerTo(pointer, `#${index}`)
      places.set(unnamed, place)
      findings.push({ pointer: unnamed, part: 'key', message: 'cannot be a key: put it in quotes if it is a name' })
    })
    return data
  }

  function scalarOf (scalar: Scalar, pointer: string): unknown {
    const message = trapIn(scalar)
    if (message !== undefined) findings.push({ pointer, part: 'value', message })
    return scalar.value
  }

  const data = valueOf(document.contents, '', 0, { key: undefined, value: 0 })
  return { data, places, findings, isTooLarge: values > MAX_VALUES }
}

function nameOf (key: unknown): string | undefined {
  if (!isScalar(key) || key.tag !== undefined || trapIn(key) !== undefined) return undefined
  return typeof key.value === 'string' && key.value !== '__proto__' ? key.value : undefined
}

/** What other readers of YAML take for something else: YAML 1.1 has more words for true and false, and numbers in base 8. */
function trapIn (scalar: Scalar): string | undefined {
  if (scalar.type === 'PLAIN' && typeof scalar.value === 'string' && /^(?:yes|no|on|off)$/i.test(scalar.value)) {
    return 'is an unquoted yes, no, on or off, which other readers of YAML take for true or false: use quotes for a text, else true or false'
  }
  if (typeof scalar.value === 'number' && !/^-?(?:0|[1-9]\d*)$/.test(scalar.source ?? '')) {
    return 'must be written in plain decimal digits, or in quotes if it is a text'
  }
  return undefined
}
