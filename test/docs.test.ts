/** This file checks the documents: codes, configs, commands and links in them are those that there are. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { formatProblem, loadConfig } from '../src/config/load.ts'
import { errors } from '../src/errors.ts'
import { alerts, panels } from './support/monitoring.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'emulator/README.md', 'config/README.md',
  ...readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`),
  ...readdirSync(join(root, 'docs/adr')).map(name => `docs/adr/${name}`)
]

/** A heading's name in links to it, as GitHub makes it. */
const anchorOf = (heading: string): string => heading.toLowerCase().replace(/[^\w\- ]/g, '').replaceAll(' ', '-')
const anchorsOf = (path: string): string[] =>
  [...read(path).replace(/^```.*?^```/gms, '').matchAll(/^#+ (.*)$/gm)].map(([, heading]) => anchorOf(heading!))
/** The parts of a page under headings of that level: heading -> text. */
const sectionsOf = (path: string, level: string): Map<string, string> =>
  new Map(read(path).split(new RegExp(`^${level} `, 'm')).slice(1).map(text => [text.slice(0, text.indexOf('\n')), text]))

t.test('every error code has its entry with its status, and there is no other', async t => {
  const entries = sectionsOf('docs/error-codes.md', '##')
  t.same([...entries.keys()].sort(), Object.keys(errors).sort())
  for (const [code, Coded] of Object.entries(errors)) {
    const { statusCode } = new Coded()
    t.match(entries.get(code), code === 'SG_CONFIG_INVALID' ? /^No status:/m : new RegExp(`^Status ${statusCode}[,.]`, 'm'), code)
  }
})

t.test('every alert has its entry in the runbook, each entry an alert, and its address is right', async t => {
  const entries = sectionsOf('docs/runbook.md', '###')
  t.same([...entries.keys()].sort(), [...new Set(alerts.map(({ alert }) => alert))].sort())
  for (const [alert, text] of entries) for (const part of ['**Users see**', '**Look at**', '**Do']) t.ok(text.includes(part), `${alert}: ${part}`)
  const anchors = anchorsOf('docs/runbook.md')
  for (const { alert, labels, annotations: { summary, description, runbook_url: address = '' } } of alerts) {
    t.ok(summary && description && ['critical', 'warning'].includes(labels.severity ?? ''), alert)
    t.equal(address, `docs/runbook.md#${anchorOf(alert)}`)
    t.ok(anchors.includes(anchorOf(alert)), address)
  }
})

t.test('every panel that the runbook sends people to is on the dashboard', async t => {
  const titles = panels.map(({ title }) => title)
  const named = [...read('docs/runbook.md').matchAll(/(?<!\*)\*([A-Z][^*]+)\*(?!\*)/g)].map(([, name]) => name!)
  t.ok(named.length > 10)
  t.same(named.filter(name => !titles.some(title => title.startsWith(name))), [])
})

t.test('codes named anywhere in the documents exist', async t => {
  for (const path of pages) {
    const named = read(path).match(/SG_[A-Z_]+[A-Z]/g) ?? []
    t.same(named.filter(code => !Object.hasOwn(errors, code)), [], path)
  }
})

t.test('every config in README and docs loads', async t => {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-docs-'))
  t.teardown(() => { rmSync(folder, { recursive: true }) })
  writeFileSync(join(folder, 'assertion'), 'eyJ')
  const env = {
    AZURE_CLIENT_SECRET: 'w0rd-of-the-docs',
    AZURE_FEDERATED_TOKEN_FILE: join(folder, 'assertion'),
    CLIENT_PFX: 'TUlJ',
    DB_PASSWORD: 'w0rd-of-the-docs',
    REDIS_PASSWORD: 'w0rd-of-the-docs',
    SCOPEGATE_KEY: 'AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=',
    CLIENT_PFX_PASSWORD: 'w0rd-of-the-docs'
  }
  let count = 0
  for (const path of pages) {
    for (const [, yaml = ''] of read(path).matchAll(/^```yaml\n(.*?)^```/gms)) {
      if (!/^version: 1$/m.test(yaml)) continue
      const file = join(folder, 'gateway.yaml')
      writeFileSync(file, yaml)
      const loaded = loadConfig({ file, env })
      t.equal(loaded.kind, 'config', `${path}: ${loaded.kind === 'problems' ? loaded.problems.map(formatProblem).join('\n') : 'loads'}`)
      count++
    }
  }
  t.ok(count >= 3, 'there are some')
})

t.test('npm scripts named in the documents exist', async t => {
  const { scripts } = JSON.parse(read('package.json'))
  for (const path of pages) {
    const named = [...read(path).matchAll(/npm run ([\w:]+)/g)].map(([, name]) => name!)
    t.same(named.filter(name => !Object.hasOwn(scripts, name)), [], path)
  }
})

t.test('links to files of the project lead somewhere', async t => {
  for (const path of pages) {
    const prose = read(path).replace(/`[^`\n]+`/g, '')
    const targets = [...prose.matchAll(/\]\((?!https?:|#)([^)#\s]+)/g)].map(([, target]) => target!)
    t.same(targets.filter(target => !existsSync(join(root, dirname(path), target))), [], path)
  }
})

t.test('links into a page lead to one of its headings', async t => {
  for (const path of pages) {
    const prose = read(path).replace(/`[^`\n]+`/g, '')
    const links = [...prose.matchAll(/\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)/g)].map(([, target, anchor]) => [target === '' ? path : join(dirname(path), target!), anchor!] as const)
    t.same(links.filter(([target, anchor]) => target.endsWith('.md') && !anchorsOf(target).includes(anchor)), [], path)
  }
})

t.test('every test that the security page names exists', async t => {
  const named = [...read('docs/security.md').matchAll(/`((?:security|flows|proxy|auth|session|fuzz|identity|store)\/[\w-]*)`/g)].map(([, name]) => name!)
  t.ok(named.length > 15)
  t.same(named.filter(name => !existsSync(join(root, 'test', name.endsWith('/') ? name : `${name}.test.ts`))), [])
})

t.test('every decision is in the index', async t => {
  const index = read('docs/adr/README.md')
  for (const name of readdirSync(join(root, 'docs/adr'))) t.ok(name === 'README.md' || index.includes(`(${name})`), name)
})
