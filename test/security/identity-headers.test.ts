/**
 * X9, C2.1-C2.3: whatever could tell an upstream who the user is comes from the gateway or not at all, in any spelling that
 * a backend may read as the same name. Same class: CVE-2025-64484 (oauth2-proxy), CVE-2026-35051 (Traefik).
 */
import t from 'tap'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange, type RawRequest } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { type Seen, startUpstream } from '../support/upstream.ts'

const presets = ['none', 'standard', 'easyauth', 'oauth2-proxy'] as const
const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin }, orders: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
  routes: [
    ...presets.map(preset => ({ path: `/${preset}/*`, upstream: 'app', identityHeaders: preset })),
    { path: '/map/*', upstream: 'app', identityHeaders: { 'X-Employee': 'oid', 'X-Nothing': 'no_such_claim' } },
    { path: '/optional/*', upstream: 'app', access: 'optional', identityHeaders: 'standard' },
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/token/*', upstream: 'orders' }
  ],
  entra: { initialScopes: ['api://orders/Orders.Read'] }
})
const { cookie } = await signIn(t, { url: gateway.url, entra, at: '/public/x' })

/** Every name that some preset sets, that other gateways set, or that tells where a request came from. */
const names = [
  'X-Forwarded-User', 'X-Forwarded-Email', 'X-Forwarded-Groups', 'X-Forwarded-Preferred-Username', 'X-Forwarded-Access-Token', 'X-Forwarded-Roles', 'X-Forwarded-Proto', 'X-Forwarded-Host', 'X-Forwarded-Port',
  'X-Forwarded-Prefix', 'X-Forwarded-Uri', 'X-Forwarded-Server', 'X-Forwarded-Ssl', 'Forwarded', 'X-MS-CLIENT-PRINCIPAL', 'X-MS-CLIENT-PRINCIPAL-ID', 'X-MS-CLIENT-PRINCIPAL-NAME', 'X-MS-CLIENT-PRINCIPAL-IDP',
  'X-MS-TOKEN-AAD-ACCESS-TOKEN', 'X-MS-TOKEN-AAD-ID-TOKEN', 'X-MS-TOKEN-AAD-REFRESH-TOKEN', 'X-MS-TOKEN-AAD-EXPIRES-ON', 'Remote-User', 'X-Auth-Request-User', 'X-Auth-Request-Email', 'X-Auth-Request-Groups',
  'X-Auth-Request-Preferred-Username', 'X-Auth-Request-Access-Token', 'X-Original-URL', 'X-Rewrite-URL', 'Proxy-User', 'Proxy-Authorization', 'X-Employee', 'X-Nothing'
]

/** A name as a backend may read it as another: case, `_` for `-`, doubled. */
function spellings (name: string): string[] {
  const lower = name.toLowerCase()
  return [...new Set([name, lower, name.toUpperCase(), name.replaceAll('-', '_'), lower.replaceAll('-', '_'), name.replace('-', '_'), lower.replace('-', '__'), lower.replace(/-([^-]*)$/, '_$1'), `${lower}_`, lower.replaceAll('-', '_-')])]
}

const plainNames = new Set(names.map(name => spellingOf(name)))

function spellingOf (name: string): string {
  return name.toLowerCase().replaceAll(/[-_]+/g, '-').replace(/-$/, '')
}

/** What a request made the upstream see; `evil` is looked for in every field. */
async function forwarded (request: RawRequest): Promise<Seen | undefined> {
  const answer = await exchange(t, gateway.port, request)
  return answer.status === 200 ? answer.json() : undefined
}

function planted ({ rawHeaders }: Seen): string[] {
  return rawHeaders.filter(text => text.includes('evil'))
}

const targets = [...presets, 'map', 'optional', 'public', 'token'].map(name => `/${name}/x`)

for (const target of targets) {
  t.test(`X9, CVE-2025-64484, CVE-2026-35051, C2.1, C2.2 identity fields of a client do not reach ${target}, in any spelling`, async t => {
    // One field a request where the name may stand alone, then all of them at once in portions below the limit of fields.
    const all = names.flatMap(spellings)
    for (let i = 0; i < all.length; i += 60) {
      const fields = all.slice(i, i + 60).map(name => [name, 'evil'] as const)
      const single = new Set<string>()
      const unique = fields.filter(([name]) => !single.has(name.toLowerCase()) && single.add(name.toLowerCase()))
      const seen = await forwarded({ target, cookie, fields: [...unique, ['X-Stays', 'kept']] })
      t.ok(seen, 'the request passes')
      t.strictSame(planted(seen!), [], 'no value of the client arrives')
      t.equal(seen!.headers['x-stays'], 'kept', 'other fields do')
    }
  })
}

t.test('C2.1 without a session, too, on routes that need none', async t => {
  for (const target of ['/public/x', '/optional/x']) {
    for (const name of names) {
      for (const spelling of spellings(name)) {
        const seen = await forwarded({ target, fields: [[spelling, 'evil']] })
        if (seen !== undefined && planted(seen).length > 0) t.fail(`${spelling} reaches ${target}`)
      }
    }
    const seen = await forwarded({ target })
    const told = Object.keys(seen!.headers).filter(name => plainNames.has(spellingOf(name)))
    t.strictSame(told.sort(), ['x-forwarded-host', 'x-forwarded-proto'], `${target} is told nothing about a user`)
  }
})

t.test('every preset sets its own fields once, with the user\'s claims', async t => {
  const oid = '33333333-3333-4333-8333-333333333331'
  const expected: Record<string, Record<string, string | RegExp>> = {
    none: {},
    standard: { 'X-Forwarded-User': oid, 'X-Forwarded-Preferred-Username': 'alice@contoso.example' },
    easyauth: { 'X-MS-CLIENT-PRINCIPAL-ID': oid, 'X-MS-CLIENT-PRINCIPAL-NAME': 'alice@contoso.example', 'X-MS-CLIENT-PRINCIPAL-IDP': 'aad' },
    'oauth2-proxy': { 'X-Auth-Request-User': oid, 'X-Auth-Request-Preferred-Username': 'alice@contoso.example' },
    map: { 'X-Employee': oid }
  }
  for (const [preset, fields] of Object.entries(expected)) {
    const seen = await forwarded({ target: `/${preset}/x`, cookie, fields: Object.keys(fields).map(name => [name, 'evil'] as const) })
    for (const [name, value] of Object.entries(fields)) {
      const raw = seen!.rawHeaders
      const values = raw.filter((_, i) => i % 2 === 1 && raw[i - 1]!.toLowerCase() === name.toLowerCase())
      t.strictSame(values, [value], `${preset}: ${name}`)
    }
  }
  t.equal((await forwarded({ target: '/map/x', cookie, fields: [['X-Nothing', 'evil']] }))!.headers['x-nothing'], undefined, 'an absent claim leaves no room')
  const { body } = await exchangeJson('/easyauth/x')
  t.match(JSON.parse(Buffer.from(body, 'base64').toString()), { auth_typ: 'aad' })
})

async function exchangeJson (target: string) {
  const seen = await forwarded({ target, cookie })
  return { body: String(seen!.headers['x-ms-client-principal']) }
}

t.test('CVE-2022-29226, C2.3 the client\'s Authorization is replaced, removed or refused, and signs nobody in', async t => {
  for (const scheme of ['Bearer evil', 'bearer evil', 'Basic ZXZpbDpldmls', 'evil', 'Negotiate evil', 'Bearer eyJhbGciOiJub25lIn0.eyJvaWQiOiJldmlsIn0.']) {
    const fields = [['Authorization', scheme]] as const
    for (const target of ['/none/x', '/token/x', '/map/x']) {
      const before = app.seen.length
      const answer = await exchange(t, gateway.port, { target, fields })
      t.equal(answer.status, 401, `${scheme} on ${target}`)
      t.equal(app.seen.length, before)
      t.equal(answer.header('location'), undefined, 'never redirected')
    }
    const seenByAll = await forwarded({ target: '/public/x', fields })
    t.equal(seenByAll?.headers.authorization, undefined, 'a public route gets no Authorization')
    // A client with a bearer token believes to be known: one that is no good is an error, whether or not it has to be.
    if (/^bearer/i.test(scheme)) t.equal((await exchange(t, gateway.port, { target: '/optional/x', fields })).status, 401)
    else t.equal((await forwarded({ target: '/optional/x', fields }))?.headers.authorization, undefined)
    const seen = await forwarded({ target: '/token/x', cookie, fields })
    t.match(seen?.headers.authorization, /^Bearer eyJ/)
    t.not(seen?.headers.authorization, scheme)
    t.equal((await forwarded({ target: '/none/x', cookie, fields }))?.headers.authorization, undefined)
  }
})

t.test('C6.12 a public route gets no token and no identity, whoever asks', async t => {
  const seen = await forwarded({ target: '/public/x', cookie })
  t.equal(seen?.headers.authorization, undefined)
  t.notMatch(JSON.stringify(seen), /alice|33333333/)
})

t.test('C2.16 the gateway\'s cookies never reach an upstream, others do', async t => {
  const value = cookie.slice(cookie.indexOf('=') + 1)
  const sent = [`a=1; ${cookie}; b=2`, `${cookie};a=1;b=2`, `a=1;b=2;scopegate.t.abcdefgh=x; scopegate.r=y; ${cookie}`, `a=1; SCOPEGATE=${value}; __Host-scopegate=${value}; __Secure-Scopegate.t.x=1; b=2; ${cookie}`, `a=1; scopegate =x; b=2; ${cookie}`]
  for (const one of sent) {
    for (const target of targets) {
      const seen = await forwarded({ target, cookie: one })
      if (seen === undefined) continue
      t.equal(seen.headers.cookie, 'a=1; b=2', `${target} of ${one.slice(0, 20)}`)
      t.notOk(JSON.stringify(seen).includes(value))
    }
  }
  t.equal((await forwarded({ target: '/public/x', cookie }))?.headers.cookie, undefined)
  t.equal((await forwarded({ target: '/public/x', cookie: 'scopegated=1; xscopegate=2' }))?.headers.cookie, 'scopegated=1; xscopegate=2')
})
