/**
 * This file turns YAML text into plain data, with the position of every key and value. It accepts the part of YAML that means
 * the same to every reader: no tags, keys that are texts, no plain scalar that YAML 1.1 reads as something else.
 */
import { isAlias, isMap, isNode, isScalar, isSeq, type Document, type Node, type Scalar, type YAMLMap } from 'yaml'
import { pointerTo, type Finding, type Position } from './problems.ts'
import { MAX_DEPTH, readYaml, type Flaw } from './yaml.ts'

const MAX_VALUES = 20_000

/** What a text holds. `data` is undefined when there are flaws. */
export interface Tree {
  readonly data: unknown
  readonly findings: readonly Finding[]
  readonly flaws: readonly Flaw[]
  /** The place of a value or its key; of what is not there, the nearest place around it. */
  positionOf (pointer: string, part: Finding['part']): Position
}

interface Place { readonly key: number | undefined, readonly value: number }

/** Never throws, whatever the text is. */
export function readTree (text: string): Tree {
  const yaml = readYaml(text)
  if (yaml.kind === 'broken') return flawed(yaml.flaws)
  const { data, places, findings, isTooLarge } = walk(yaml.document)
  if (isTooLarge) return flawed([{ line: 1, column: 1, message: 'the file has too many values or levels, aliases counted' }])
  return { data, findings, flaws: [], positionOf: (pointer, part) => yaml.at(nearest(places, pointer, part)) }
}

function flawed (flaws: readonly Flaw[]): Tree {
  return { data: undefined, findings: [], flaws, positionOf: () => ({ line: 1, column: 1 }) }
}

function nearest (places: ReadonlyMap<string, Place>, pointer: string, part: Finding['part']): number {
  const place = places.get(pointer)
  if (place !== undefined) return part === 'key' ? place.key ?? place.value : place.value
  return pointer === '' ? 0 : nearest(places, pointer.slice(0, pointer.lastIndexOf('/')), 'key')
}

function walk (document: Document.Parsed) {
  const places = new Map<string, Place>()
  const findings: Finding[] = []
  const anchors = new Map<string, unknown>()
  let values = 0

  function find (pointer: string, part: Finding['part'], message: string) {
    findings.push({ pointer, part, message })
  }

  /** @param value - where the value stands if it is empty and so has no place of its own */
  function valueOf (node: unknown, pointer: string, depth: number, { key, value: fallback }: Place): unknown {
    const start = isNode(node) && !isEmpty(node) ? node.range?.[0] ?? fallback : fallback
    places.set(pointer, { key, value: start })
    values += depth > MAX_DEPTH ? MAX_VALUES : 1
    if (values > MAX_VALUES) return undefined // counted after aliases are followed, which multiply and may turn in circles
    if (isAlias(node)) {
      if (!anchors.has(node.source)) find(pointer, 'value', 'is an alias of an anchor that is not defined before it')
      return valueOf(anchors.get(node.source), pointer, depth + 1, { key, value: start })
    }
    if (isNode(node)) checkProperties(node, pointer)
    if (isMap(node)) return mapOf(node, pointer, depth)
    if (isSeq(node)) {
      const place = { key: undefined, value: start }
      return node.items.map((item, index) => valueOf(item, pointerTo(pointer, index), depth + 1, place))
    }
    return isScalar(node) ? scalarOf(node, pointer) : null
  }

  /** Looks at what may stand in front of a value. An anchor names one value, so that an alias means the same everywhere. */
  function checkProperties (node: Node, pointer: string) {
    if (node.tag !== undefined) find(pointer, 'value', 'has a tag (!...), which is not supported: remove it')
    const { anchor } = node as Scalar | YAMLMap
    if (anchor === undefined) return
    if (anchors.has(anchor) && anchors.get(anchor) !== node) find(pointer, 'value', 'has an anchor that another value has already: rename it')
    anchors.set(anchor, node)
  }

  function mapOf (map: YAMLMap, pointer: string, depth: number): Record<string, unknown> {
    const data: Record<string, unknown> = {}
    map.items.forEach(({ key, value }, index) => {
      const start = isNode(key) ? key.range?.[0] ?? 0 : 0
      const place = { key: start, value: start }
      const name = nameOf(key)
      if (name !== undefined && !Object.hasOwn(data, name)) {
        data[name] = valueOf(value, pointerTo(pointer, name), depth + 1, place)
        return
      }
      const unnamed = pointerTo(pointer, `#${index}`)
      places.set(unnamed, place)
      find(unnamed, 'key', name === undefined ? 'cannot be a key: put it in quotes if it is a name' : 'stands here a second time: remove one of the two')
    })
    return data
  }

  function scalarOf (scalar: Scalar, pointer: string): unknown {
    const message = trapIn(scalar)
    if (message !== undefined) find(pointer, 'value', message)
    return scalar.value
  }

  const data = valueOf(document.contents, '', 0, { key: undefined, value: 0 })
  return { data, places, findings, isTooLarge: values > MAX_VALUES }
}

function isEmpty (node: unknown): boolean {
  return isScalar(node) && node.value === null && node.source === ''
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
