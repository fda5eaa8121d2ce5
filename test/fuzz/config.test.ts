/**
 * This file brings the loader YAML that is broken, deep, large or a bomb: it has problems with a line each, never an exception,
 * and never keeps the process for long.
 */
import fc from 'fast-check'
import t from 'tap'
import { MAX_DEPTH, readYaml } from '../../src/config/yaml.ts'
import { configText, load } from '../config/support.ts'
import { bounded, corpus, near } from './support.ts'

function isSound (text: string): boolean {
  const loaded = load(text)
  return loaded.kind === 'config' || (loaded.problems.length > 0 && loaded.problems.every(({ line, column, message }) => line >= 1 && column >= 1 && message !== ''))
}

t.test('loader: whatever the text is, it is a config or has problems, each with its place', async () => {
  const good = configText()
  fc.assert(fc.property(near([...corpus('yaml'), good, good]), isSound), { ...bounded(2000), examples: corpus('yaml').map(seed => [seed]) })
})

t.test('loader: a piece of a seed below any key is a problem of that key at worst', async () => {
  fc.assert(fc.property(fc.constantFrom('server', 'entra', 'upstreams', 'routes', 'more'), near(corpus('yaml')), (key, piece) =>
    isSound(configText({ [key]: key === 'more' ? piece : `${key}: ${piece}` }))), bounded(2000))
})

const letters = [...'abcdefghijklmnopqrstuvwxyz']
const aliases = letters.map((letter, i) => `${letter}: &${letter} [${i === 0 ? 'x' : Array(10).fill(`*${letters[i - 1]}`).join(', ')}]`).join('\n')
const size = 60_000
const hostile: Record<string, string> = {
  'aliases of aliases of aliases': aliases,
  'one anchor, many aliases': `a: &a [x]\nb: [${'*a, '.repeat(size / 4)}]`,
  'brackets that open': '['.repeat(size),
  'braces that open': '{a: '.repeat(size / 4),
  'brackets that open and close': '['.repeat(size / 2) + ']'.repeat(size / 2),
  'lists in lists': '- '.repeat(size / 2),
  'questions in questions': '? '.repeat(size / 2),
  'deeper line by line': Array.from({ length: 900 }, (_, i) => `${' '.repeat(i)}a:`).join('\n'),
  'many keys': Array.from({ length: size / 8 }, (_, i) => `k${i}: 1`).join('\n'),
  'one key many times': 'a: 1\n'.repeat(size / 5),
  'one long scalar': `a: ${'x'.repeat(size)}`,
  'one long quotation': `a: "${'\\n'.repeat(size / 2)}`,
  'many documents': '---\na\n'.repeat(size / 6),
  'many anchors': '&a '.repeat(size / 3),
  'many tags': '!a '.repeat(size / 3),
  'many comments': '#\n'.repeat(size / 2),
  'many tabs': 'a:\n\t'.repeat(size / 4),
  'too much of anything': 'a'.repeat(2_000_000)
}

for (const [name, text] of Object.entries(hostile)) {
  t.test(`loader: a problem, and soon: ${name}`, async t => {
    const before = process.cpuUsage()
    t.ok(load(text).kind === 'problems')
    const { user } = process.cpuUsage(before)
    t.ok(user < 3_000_000, `${Math.round(user / 1000)} ms`)
  })
}

t.test('YAML: a document of the greatest depth is read, of any greater one is not', async t => {
  const nested = (depth: number): string => `a: ${'['.repeat(depth)}${']'.repeat(depth)}`
  t.equal(readYaml(nested(MAX_DEPTH / 2)).kind, 'document')
  for (const depth of [MAX_DEPTH * 2, 1000, 100_000]) t.equal(readYaml(nested(depth)).kind, 'broken', String(depth))
})
