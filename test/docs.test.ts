/** This file checks the documents: codes, configs, commands and links in them are those that there are. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import t from 'tap'
import { formatProblem, loadConfig } from '../src/config/load.ts'
import { errors } from '../src/errors.ts'

const root = join(import.meta.dirname, '..')
const read = (path: string): string => readFileSync(join(root, path), 'utf8')
const pages = [
  'README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'SECURITY.md', 'emulator/README.md', 'config/README.md',
  ...readdirSync(join(root, 'docs')).filter(name => name.endsWith('.md')).map(name => `docs/${name}`),
  ...readdirSync(join(root, 'docs/adr')).map(name => `docs/adr/${name}`)
]

t.test('the runbook has every error code with its status, and no other', async t => {
  const rows = [...read('docs/operations.md').matchAll(/^\| `(SG_\w+)` \| ([^|]+) \|/gm)].map(([, code, status]) => ({ code, status }))
  t.same(rows.map(({ code }) => code).sort(), Object.keys(errors).sort())
  for (const [code, Coded] of Object.entries(errors)) {
    const { statusCode } = new Coded()
    const status = rows.find(row => row.code === code)?.status
    t.ok(code === 'SG_CONFIG_INVALID' || status?.startsWith(String(statusCode)), `${code} ${status}`)
  }
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

t.test('every test that the security page names exists', async t => {
  const named = [...read('docs/security.md').matchAll(/`((?:security|flows|proxy|auth|session|fuzz|identity|store)\/[\w-]*)`/g)].map(([, name]) => name!)
  t.ok(named.length > 15)
  t.same(named.filter(name => !existsSync(join(root, 'test', name.endsWith('/') ? name : `${name}.test.ts`))), [])
})

t.test('every decision is in the index', async t => {
  const index = read('docs/adr/README.md')
  for (const name of readdirSync(join(root, 'docs/adr'))) t.ok(name === 'README.md' || index.includes(`(${name})`), name)
})
