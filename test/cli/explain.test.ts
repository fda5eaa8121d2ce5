/**
 * This file asks `scopegate explain` about many requests, and sends each of them to a gateway with the same config: what is
 * said is what happens. The routes are those of the demo.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { parse } from 'yaml'
import { explain } from '../../src/cli/explain.ts'
import type { Explanation } from '../../src/server/explain.ts'
import { configOf, startEntra, startGateway, tenant } from '../support/gateway.ts'
import { folder, writeConfig } from '../support/process.ts'
import { exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const demo = parse(readFileSync(join(import.meta.dirname, '../../demo/gateway.yaml'), 'utf8'))

/** Beside those of the demo: what its routes do not show. */
const more = [
  { path: '/open/*', upstream: 'legacy', access: 'optional', identityHeaders: 'standard' },
  { path: '/only/*', upstream: 'legacy', hosts: ['127.0.0.1'], deny: { users: [`${tenant}/33333333-3333-4333-8333-333333333332`] } },
  { path: '/exact', upstream: 'legacy', unauthenticated: '401', rewrite: '/other' },
  { path: '/slashes/*', upstream: 'legacy', allowEncodedSlash: true, requestHeaders: { set: { 'X-Tenant': 'contoso' }, remove: ['X-Debug'] } },
  { path: '/read/*', upstream: 'legacy', methods: ['GET'], unauthenticated: 'redirect' }
]

const questions: ReadonlyArray<readonly [method: string, target: string]> = [
  ['GET', '/'], ['HEAD', '/'], ['POST', '/'], ['PROPFIND', '/'], ['OPTIONS', '/'], ['TRACE', '/'], ['GET', '/page?x=1&y=%2F'],
  ['GET', '/assets/app.js'], ['POST', '/assets/app.js'], ['GET', '/assets'], ['GET', '/assetsx'], ['GET', '/ASSETS/app.js'],
  ['GET', '/graph/me'], ['GET', '/graph'], ['GET', '/graph/me/memberOf?$top=5'], ['DELETE', '/graph/me'], ['GET', '/Graph/me'],
  ['GET', '/api/orders'], ['GET', '/api/orders/7'], ['POST', '/api/orders'], ['POST', '/api/orders/7'], ['PUT', '/api/orders/7'],
  ['DELETE', '/api/orders'], ['DELETE', '/api/orders/7'], ['DELETE', '/api/orders/7?force=1'], ['DELETE', '/api/Orders/7'],
  ['GET', '/api/ordersx'], ['GET', '/api/%6Frders/7'], ['GET', '/api/orders/a%20b'], ['GET', '/api/orders/a%2Fb'],
  ['GET', '/api/orders/../x'], ['GET', '/api/orders/%2e%2e/x'], ['GET', '/api//orders'], ['GET', '/api/orders;v=1'], ['GET', '/api/orders/%00'],
  ['GET', '/.auth/me'], ['POST', '/.auth/me'], ['GET', '/.auth/unknown'], ['GET', '/.AUTH/me'], ['GET', '/.auth'], ['GET', '/%2eauth/me'],
  ['GET', '/open/x'], ['POST', '/open/x'], ['GET', '/only/x'], ['GET', 'http://127.0.0.1/only/x'], ['GET', 'http://elsewhere.example/x'],
  ['GET', '/exact'], ['GET', '/exact/x'], ['GET', '/slashes/a%2Fb'], ['GET', '/slashes/a%5Cb'], ['GET', '/read/x'], ['HEAD', '/read/x'],
  ['POST', '/read/x'], ['GET', '/x#y'], ['GET', 'x'], ['GET', '/~alice/%C3%A9']
]

/** As the emulator has them. */
const alice = {
  tid: tenant,
  oid: '33333333-3333-4333-8333-333333333331',
  preferred_username: 'alice@contoso.example',
  email: 'alice@contoso.example',
  roles: ['Orders.Admin'],
  groups: ['77777777-7777-4777-8777-777777777771']
}
const bob = {
  tid: tenant, oid: '33333333-3333-4333-8333-333333333332', preferred_username: 'bob@contoso.example', email: 'bob@contoso.example'
}

async function run (args: readonly string[]): Promise<{ code: number, out: string, err: string }> {
  let out = ''
  let err = ''
  const code = await explain({ args, env: {}, out: { write: text => { out += text } }, err: { write: text => { err += text } } })
  return { code, out, err }
}

interface Arrived {
  readonly upstream: string
  readonly url: string
  readonly fields: ReadonlyMap<string, string>
}

interface World {
  readonly port: number
  /** Of the config that the gateway runs. */
  readonly file: string
  /** The last request that an application got, and which application it was. */
  lastSeen (): Arrived | undefined
  /** What was logged so far. */
  logged (): string
  readonly cookies: Readonly<Record<'alice' | 'bob', string>>
  readonly files: Readonly<Record<'alice' | 'bob', string>>
}

async function startWorld (t: Test): Promise<World> {
  const entra = await startEntra(t)
  let last: ReturnType<World['lastSeen']>
  const apps = await Promise.all(Object.keys(demo.upstreams).map(async name => {
    const app = await startUpstream(t, {
      answer (_request, response, { url, rawHeaders }) {
        last = { upstream: name, url: app.origin + url, fields: fieldsOf(rawHeaders) }
        response.end()
      }
    })
    return [name, app] as const
  }))
  const upstreams = Object.fromEntries(apps.map(([name, { origin }]) =>
    [name, { ...demo.upstreams[name], url: origin + new URL(demo.upstreams[name].url).pathname }]))
  const parts = {
    emulator: entra,
    upstreams,
    routes: [...demo.routes, ...more],
    // What a user has consented to, only the provider knows.
    entra: { initialScopes: ['api://orders/Orders.Read', 'api://orders/Orders.Write', 'User.Read'] }
  }
  const { port, url, logged } = await startGateway(t, parts)
  const signInAs = async (user: string): Promise<string> => (await signIn(t, { url, entra, user, at: '/assets/x' })).cookie
  const claims = (name: string, value: object): string => {
    const file = join(folder(t), `${name}.json`)
    writeFileSync(file, JSON.stringify(value))
    return file
  }
  return {
    port,
    file: writeConfig(t, configOf(parts, port)),
    lastSeen () {
      const seen = last
      last = undefined
      return seen
    },
    logged,
    cookies: { alice: await signInAs('alice@contoso.example'), bob: await signInAs('bob@contoso.example') },
    files: { alice: claims('alice', alice), bob: claims('bob', bob) }
  }
}

function fieldsOf (rawHeaders: readonly string[]): ReadonlyMap<string, string> {
  const fields = new Map<string, string>()
  for (let i = 0; i < rawHeaders.length; i += 2) fields.set(rawHeaders[i]!.toLowerCase(), rawHeaders[i + 1]!)
  return fields
}

/** Fields that every request to an upstream has from its connection, and those that belong to this one. */
const ofTheConnection = ['host', 'connection', 'content-length', 'transfer-encoding', 'sec-fetch-site', 'x-harmless']

/** What a client cannot plant without being another request: what frames it, or says who asks. */
const notToPlant = /^(?:host|connection|content-length|transfer-encoding|cookie|authorization|upgrade|expect|te|trailer|sec-.*)$/

/** The names that are said to be removed, as a client would send them. */
function plantable (removed: readonly string[]): string[] {
  return removed.filter(name => !notToPlant.test(name)).map(name => name === '*_*' ? 'x_under_score' : name.replace('*', 'planted'))
}

/** The route in the log line of a request, once it is there; undefined for a request that reached none. */
async function loggedRoute (world: World, from: number): Promise<string | undefined> {
  const lines = () => world.logged().slice(from).split('\n').filter(line => line !== '').map(line => JSON.parse(line))
    .filter(({ ms, event }) => ms !== undefined || event === 'target-refused')
  await until('the line of the request', () => lines().length > 0)
  return lines().at(-1).route
}

interface Client {
  readonly cookie: string | undefined
  /** What is said to be removed. */
  readonly removed: readonly string[]
  /** Whether a route is said to take it. */
  readonly hasRoute: boolean
}

/** What the gateway did, in the words of an explanation. */
async function happened (
  t: Test, world: World, [method, target]: typeof questions[number], { cookie, removed, hasRoute }: Client
) {
  const planted = plantable(removed).map(name => [name, 'planted'] as const)
  const fields = [['sec-fetch-site', 'same-origin'], ['x-harmless', 'planted'], ...planted] as const
  world.lastSeen()
  const from = world.logged().length
  const answer = await exchange(t, world.port, { method, target, host: `localhost:${world.port}`, fields, cookie })
  const seen = world.lastSeen()
  const code = answer.header('scopegate-error')
  // Of a path without a route for this method, and of what no parser could read, the log says other things.
  const route = hasRoute ? await loggedRoute(world, from) : undefined
  if (seen !== undefined) {
    const { upstream, url, fields } = seen
    const names = [...fields.keys()].filter(name => !ofTheConnection.includes(name)).sort()
    t.same([...fields].filter(([, value]) => value === 'planted').map(([name]) => name), ['x-harmless'], `${target}: what is removed does not arrive, and nothing else is`)
    t.ok(planted.length > 10)
    return { kind: 'forwarded', route, upstream, url, names }
  }
  if (code === 'SG_SIGN_IN_REQUIRED' || (answer.status === 302 && answer.header('location')!.startsWith('/.auth/login?'))) {
    return { kind: 'sign-in', route, status: answer.status }
  }
  if (code === undefined) return { kind: 'endpoint' }
  return { kind: 'refused', route, status: answer.status, code }
}

function said ({ outcome, route: compiled }: Explanation) {
  const route = compiled?.id
  switch (outcome.kind) {
    case 'forwarded': {
      const { upstream, url, added } = outcome
      return { kind: 'forwarded', route, upstream, url, names: added.map(([name]) => name.toLowerCase()).sort() }
    }
    case 'sign-in': return { kind: 'sign-in', route, status: outcome.unauthenticated === 'redirect' ? 302 : 401 }
    case 'endpoint': return { kind: 'endpoint' }
    case 'refused': return { kind: 'refused', route, status: outcome.status, code: outcome.code }
  }
}

t.test('what is said is what happens', async t => {
  t.ok(questions.length >= 50)
  const world = await startWorld(t)
  const kinds = new Set<string>()
  for (const question of questions) {
    for (const who of [undefined, 'alice', 'bob'] as const) {
      const as = who === undefined ? [] : ['--as', world.files[who]]
      const { code, out } = await run([...question, '--json', '--config', world.file, ...as])
      t.equal(code, 0)
      const explanation: Explanation = JSON.parse(out)
      const told = said(explanation)
      kinds.add(told.kind)
      const removed = explanation.outcome.kind === 'forwarded' ? explanation.outcome.removed : []
      const client = { cookie: who && world.cookies[who], removed, hasRoute: explanation.route !== undefined }
      const done = await happened(t, world, question, client)
      t.same(told, done, `${question.join(' ')} as ${who ?? 'nobody'}`)
    }
  }
  t.same([...kinds].sort(), ['endpoint', 'forwarded', 'refused', 'sign-in'], 'everything was among it')
})

t.test('an explanation for people names route, rivals, token, and what is sent', async t => {
  const config = { ...configOf({ upstreams: demo.upstreams, routes: demo.routes }, 8080) }
  const file = writeConfig(t, config)
  const aliceFile = join(folder(t), 'alice.json')
  writeFileSync(aliceFile, JSON.stringify(alice))
  const { out } = await run(['DELETE', '/api/orders/7?force=1', '--config', file, '--as', aliceFile])
  for (const line of [
    'request  DELETE /api/orders/7?force=1 at localhost',
    'route    DELETE /api/orders/*',
    '         POST /api/orders/* is for other methods',
    '         /api/orders/* is for methods that no other route lists',
    '         /* has a shorter path',
    'allow    {"roles":["Orders.Admin"]}',
    'token    for api://orders/Orders.Write',
    'sent to  http://127.0.0.1:3002/api/orders/7?force=1',
    '         authorization: Bearer <access token for api://orders/Orders.Write>'
  ]) t.ok(out.split('\n').includes(line), line)
  const { out: anonymous } = await run(['DELETE', '/api/orders/7', '--config', file])
  t.match(anonymous, 'sign-in (sign_in_required)', 'without --as nobody is signed in')
  t.match(anonymous, /^let in +from upstream orders\nsent to +http:\/\/127.0.0.1:3002\/api\/orders\/7$/m, 'what the upstream gets is told all the same')
  writeFileSync(aliceFile, JSON.stringify(bob))
  const { out: refused } = await run(['DELETE', '/api/orders/7', '--config', file, '--as', aliceFile])
  t.match(refused, '403 SG_ACCESS_DENIED: by allow.roles')
  t.match(refused, /^let in +from upstream orders$/m)
  t.match((await run(['GET', '/page', '--config', file])).out, 'X-MS-CLIENT-PRINCIPAL-ID: <oid>', 'identity headers by the claims they show')
  writeFileSync(aliceFile, JSON.stringify({ roles: ['Orders.Admin'] }))
  t.match((await run(['DELETE', '/api/orders/7', '--config', file, '--as', aliceFile])).out, /^answer +from upstream orders$/m, 'any claims will do')
  t.match((await run(['GET', '/a/../b', '--config', file])).out, '400 SG_TARGET_INVALID: a dot segment')
})

t.test('groups that only the provider knows are not guessed, and claims of a file are never too old', async t => {
  const group = alice.groups[0]!
  const routes = [{ path: '/*', upstream: 'legacy', allow: { groups: [group] } }]
  const file = writeConfig(t, configOf({ upstreams: demo.upstreams, routes }, 8080))
  const claims = join(folder(t), 'claims.json')
  const asked = async (who: object): Promise<string> => {
    writeFileSync(claims, JSON.stringify(who))
    return (await run(['GET', '/x', '--config', file, '--as', claims])).out
  }
  t.match(await asked({ ...bob, hasgroups: true }), '503 SG_PROVIDER_UNAVAILABLE: by what only the provider knows')
  t.match(await asked({ ...alice, iat: 1 }), 'sent to')
  t.match(await asked(bob), '403 SG_ACCESS_DENIED: by allow.groups')
})

t.test('what cannot be answered says why', async t => {
  const file = writeConfig(t, configOf({ upstreams: demo.upstreams, routes: demo.routes }, 8080))
  const claims = join(folder(t), 'claims.json')
  const withClaims = async (text: string) => {
    writeFileSync(claims, text)
    return await run(['GET', '/', '--config', file, '--as', claims])
  }
  t.match(await withClaims('{'), { code: 1, err: 'is not JSON' })
  for (const text of ['null', '[]', '7', '"x"']) t.match(await withClaims(text), { code: 1, err: 'is no JSON object' })
  t.match(await run(['GET', '/', '--config', file, '--as', '/nowhere.json']), { code: 1, err: 'cannot be read (ENOENT)' })
  t.match(await run(['GET', '/', '--config', writeConfig(t, { version: 1 })]), { code: 1, err: 'gateway.yaml:1:1' })
  for (const args of [[], ['GET'], ['GET', '/', '/'], ['GET', '/', '--what']]) t.match(await run(args), { code: 2, err: /^scopegate explain METHOD URL/m })
  t.match(await run(['--help']), { code: 0, out: /^scopegate explain METHOD URL/ })
})
