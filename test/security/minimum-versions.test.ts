/**
 * X24: `npm audit` does not answer behind some registries. The versions below which a known hole is open are checked against
 * the lockfile itself, nested copies included.
 */
import { readFileSync } from 'node:fs'
import t from 'tap'

interface Locked {
  readonly version?: string
  readonly integrity?: string
  readonly resolved?: string
  readonly hasInstallScript?: boolean
  readonly dev?: boolean
  readonly link?: boolean
}

const minimum: Record<string, string> = {
  fastify: '5.12.2', '@fastify/http-proxy': '11.6.3', '@fastify/reply-from': '12.6.4', undici: '7.29.1', '@fastify/session': '11.1.2'
}

const lock = JSON.parse(readFileSync(new URL('../../package-lock.json', import.meta.url), 'utf8')) as { lockfileVersion: number, packages: Record<string, Locked> }
const shipped = Object.entries(lock.packages).filter(([path, { dev }]) => path !== '' && dev !== true)

function nameOf (path: string): string {
  return path.slice(path.lastIndexOf('node_modules/') + 'node_modules/'.length)
}

/** Whether a version is at least another; a pre-release is before its release. */
function isAtLeast (version: string, other: string): boolean {
  const [numbers = '', pre] = version.split('-', 2)
  const [a, b] = [numbers, other].map(text => text.split('.').map(Number)) as [number[], number[]]
  const at = [0, 1, 2].find(i => a[i] !== b[i])
  return at === undefined ? pre === undefined : a[at]! > b[at]!
}

t.test('the comparison is right', async t => {
  for (const [version, other] of [['5.12.2', '5.12.2'], ['5.12.10', '5.12.2'], ['5.13.0', '5.12.9'], ['6.0.0', '5.12.2']] as const) t.ok(isAtLeast(version, other), `${version} ${other}`)
  for (const [version, other] of [['5.12.1', '5.12.2'], ['5.2.20', '5.12.2'], ['4.99.99', '5.12.2'], ['5.12.2-rc.1', '5.12.2']] as const) t.notOk(isAtLeast(version, other), `${version} ${other}`)
})

for (const [name, least] of Object.entries(minimum)) {
  t.test(`X24 every copy of ${name} is at least ${least}`, async t => {
    const copies = shipped.filter(([path]) => nameOf(path) === name)
    t.ok(copies.length > 0, 'it is in the lockfile')
    for (const [path, { version = '' }] of copies) t.ok(isAtLeast(version, least), `${path} ${version}`)
  })
}

t.test('nothing that is shipped runs a script when it is installed', async t => {
  t.strictSame(shipped.filter(([, { hasInstallScript }]) => hasInstallScript === true).map(([path]) => path), [])
})

t.test('everything is pinned by its hash, and comes from nowhere but a registry', async t => {
  t.ok(lock.lockfileVersion >= 3)
  for (const [path, { integrity = '', resolved, link }] of Object.entries(lock.packages)) {
    if (path === '') continue
    if (!/^sha512-/.test(integrity) || link === true) t.fail(`${path} has no sha512`)
    if (resolved !== undefined && !/^https:\/\/[^/]+\/.+\.tgz$/.test(resolved)) t.fail(`${path} is resolved elsewhere`)
  }
  t.ok(shipped.length > 20)
})
