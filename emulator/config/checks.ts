/** This file is a handful of functions that check values from a configuration file, with the place of every problem. */

/** Adds a line to `problems` for whatever is wrong with `value`. */
export type Check = (value: unknown, path: string, problems: string[]) => void

const expected = (what: string, isFine: (value: unknown) => boolean): Check => (value, path, problems) => {
  if (!isFine(value)) problems.push(`${path}: ${what} expected`)
}

const GUID = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i

export const text = expected('text', (value) => typeof value === 'string' && value !== '')
export const count = expected('a number, 0 or more,', (value) => typeof value === 'number' && value >= 0)
export const flag = expected('true or false', (value) => typeof value === 'boolean')
export const guid = expected('a GUID', (value) => typeof value === 'string' && GUID.test(value))
export const date = expected('a date', (value) => !Number.isNaN(new Date(value as string).getTime()))
export const range = expected('[from, to] in seconds', (value) => Array.isArray(value) && value.length === 2 && value[0] <= value[1])
export const anything: Check = () => {}
export const oneOf = (...words: readonly unknown[]) => expected(`one of ${words.join(', ')}`, (value) => words.includes(value))

export const nullable = (check: Check): Check => (value, path, problems) => {
  if (value !== null) check(value, path, problems)
}

export const list = (check: Check): Check => (value, path, problems) => {
  if (!Array.isArray(value)) problems.push(`${path}: a list expected`)
  else value.forEach((item, at) => { check(item, `${path}[${at}]`, problems) })
}

export const mapOf = (check: Check): Check => (value, path, problems) => {
  if (!isRecord(value)) problems.push(`${path}: a map expected`)
  else Object.entries(value).forEach(([name, item]) => { check(item, `${path}.${name}`, problems) })
}

type Members = Readonly<Record<string, Check>>

/** Unknown keys are problems: a typo must not silently mean the default. */
export const object = (required: Members, optional: Members = {}): Check => (value, path, problems) => {
  if (!isRecord(value)) {
    problems.push(`${path}: a map expected`)
    return
  }
  const known = { ...required, ...optional }
  for (const name of Object.keys(required)) if (value[name] === undefined) problems.push(`${path}.${name}: missing`)
  for (const [name, item] of Object.entries(value)) {
    const check = Object.hasOwn(known, name) ? known[name] : undefined
    if (check === undefined) problems.push(`${path}.${name}: unknown key`)
    else if (item !== undefined) check(item, `${path}.${name}`, problems)
  }
}

function isRecord (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
