/**
 * This file reads one YAML file of a config as far as it is sound: substituted, held against the schema, with everything
 * taken out that had a problem, so that the rules can look at the rest.
 */
import { pointerTo, subjectOf, type Finding, type Problem } from './problems.ts'
import type { Reader } from './reader.ts'
import { substitute } from './substitute.ts'
import { readTree, type Tree } from './tree.ts'
import { validate, type Kind } from './validate.ts'

export interface Draft<T> {
  /** What is left; undefined when nothing is. */
  readonly sound: T | undefined
  report (pointer: string, message: string): void
  lineOf (pointer: string): number
  /** Everything reported, in the order of the file. */
  problems (): Problem[]
}

/** Settings that are secret wherever their value comes from. */
const SECRETS = new Set(['clientSecret', 'certificatePassword', 'base64EncodedValue', 'key', 'password'])

/** What falls as a whole when a part of it has a problem; of everything else, only the part falls. */
const UNITS = ['/session', '/store', '/server/limits', '/entra/authorityMetadata', '/entra/clientCredentials/*', '/upstreams/*', '/routes/*'].map(unit => unit.split('/'))

/** @param name - how problems name the file */
export function readDraft<T> (kind: Kind, name: string, text: string, reader: Reader): Draft<T> {
  const tree = readTree(text)
  const findings = [...tree.findings]
  const data = substituteAll(tree.data, '', reader, findings)
  const before = new Set(findings.map(finding => finding.pointer))
  if (tree.flaws.length === 0) {
    for (const finding of validate(kind, data)) {
      if (before.has(finding.pointer)) continue // what is said already, or follows from it
      before.add(finding.pointer)
      findings.push(finding)
    }
  }
  const root = { data }
  for (const finding of findings) remove(root, finding.pointer)

  return {
    sound: root.data as T | undefined,
    report: (pointer, message) => { findings.push({ pointer, part: 'value', message }) },
    lineOf: pointer => tree.positionOf(pointer, 'key').line,
    problems: () => [
      ...tree.flaws.map(problem => ({ file: name, path: '', ...problem })),
      ...findings.map(finding => problemOf(finding, name, tree))
    ].sort((one, other) => one.line - other.line || one.column - other.column)
  }
}

function problemOf ({ pointer, part, message }: Finding, file: string, tree: Tree): Problem {
  const subject = subjectOf(pointer)
  const path = subject === 'this' ? pointer.slice(0, pointer.lastIndexOf('/')) : pointer
  return { file, path, ...tree.positionOf(pointer, part), message: `${subject} ${message}` }
}

function substituteAll (data: unknown, pointer: string, reader: Reader, findings: Finding[]): unknown {
  const below = (value: unknown, key: string | number) => substituteAll(value, pointerTo(pointer, key), reader, findings)
  if (Array.isArray(data)) return data.map(below)
  if (typeof data === 'object' && data !== null) return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, below(value, key)]))
  if (typeof data !== 'string') return data

  const result = substitute(data, reader)
  if (result.kind === 'refused') {
    findings.push({ pointer, part: 'value', message: result.message })
    return data
  }
  for (const secret of result.inserted) reader.hide(secret)
  if (SECRETS.has(pointer.slice(pointer.lastIndexOf('/') + 1))) reader.hide(result.text)
  return result.text
}

/** Keys and places stay, so that an upstream with a problem is still known by name and pointers still fit. */
function remove (root: { data: unknown }, pointer: string) {
  const path = pointer.split('/')
  const unit = UNITS.find(unit => unit.length <= path.length && unit.every((part, index) => part === '*' || part === path[index]))
  const keys = (unit === undefined ? path : path.slice(0, unit.length)).map(key => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  keys[0] = 'data'
  let parent: unknown = root
  for (const key of keys.slice(0, -1)) parent = childOf(parent, key)
  if (typeof parent === 'object' && parent !== null && Object.hasOwn(parent, keys.at(-1)!)) Object.assign(parent, { [keys.at(-1)!]: undefined })
}

function childOf (parent: unknown, key: string): unknown {
  return typeof parent === 'object' && parent !== null && Object.hasOwn(parent, key) ? (parent as Record<string, unknown>)[key] : undefined
}
