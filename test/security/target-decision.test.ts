/**
 * C1.23: the decision about a target is the decision about its canonical form, and what was authorised is what is forwarded,
 * byte for byte. Random targets over raw TCP, by plain requests and by upgrades.
 */
import fc from 'fast-check'
import t, { type Test } from 'tap'
import { parseTarget } from '../../src/proxy/target.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { connectRaw, rawRequest, type RawConnection } from '../support/raw.ts'
import { signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const entra = await startEntra(t)
const app = await startUpstream(t)
const gateway = await startGateway(t, {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public', websocket: true },
    { path: '/admin/*', upstream: 'app', allow: { roles: ['Orders.Admin'] }, websocket: true },
    { path: '/files/*', upstream: 'app', access: 'public', allowEncodedSlash: true, websocket: true },
    { path: '/*', upstream: 'app', websocket: true }
  ]
})
const { cookie: admin } = await signIn(t, { url: gateway.url, entra, user: 'alice@contoso.example', at: '/public/x' })
const { cookie: user } = await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example', at: '/public/x' })

/** Mostly what passes: a decision needs something to decide about. */
const piece = fc.oneof(
  { weight: 6, arbitrary: fc.constantFrom('a', 'x.y', '%61', '%41', '%7e', 'B', '~', '-', '_', '%2D', '%c3%a9', '%C3%A9', ':', '@', '%40', '%3a', '!', '%21', '%20', '"', '{', '%25', '+') },
  { weight: 2, arbitrary: fc.constantFrom('/', '/admin', '/public', '/files', '/%61dmin', '/ADMIN', '/%50ublic', 'admin', '%2f', '%5C') },
  { weight: 1, arbitrary: fc.constantFrom('.', '..', '/..', '%2e', '//', ';', '\\', '#', '%00', '%252e', '%', '%ff', '\x80', '%ef%bc%8e') }
)
const start = fc.constantFrom('/public', '/admin', '/files', '/', '/%61dmin', '/%70ublic', '/Admin', '/PUBLIC', '/adm%69n', '/fil%65s')
const query = fc.constantFrom('', '', '', '?', '?x=/admin', '?..%2f', '?a%2Fb=%41')
const targets = fc.tuple(start, fc.array(piece, { maxLength: 5 }), query).map(([first, rest, last]) => first + rest.join('') + last)

interface Decision {
  readonly status: number
  readonly code: string | undefined
  /** What the upstream got; undefined when it was not asked. */
  readonly forwarded: string | undefined
}

const upgrade = [['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Version', '13'], ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='], ['Origin', gateway.url]] as const
let probes = 0

/** Decisions for one person, one after the other, on one connection as long as it lasts. */
function decider (t: Test, cookie: string | undefined, more: ReadonlyArray<readonly [string, string]> = []) {
  let connection: RawConnection | undefined
  return async (target: string): Promise<Decision> => {
    const mark = String(++probes)
    connection ??= await connectRaw(t, gateway.port)
    connection.send(rawRequest({ target, fields: [...more, ['x-probe', mark]], ...(cookie === undefined ? {} : { cookie }) }))
    const answer = await connection.answer({ deadlineMs: 20_000 })
    if (answer === undefined) throw new Error(`no answer to ${JSON.stringify(target)}`)
    if (answer.header('connection') !== 'keep-alive') {
      connection.socket.destroy()
      connection = undefined
    }
    const forwarded = app.seen.findLast(({ headers }) => headers['x-probe'] === mark)?.url
    return { status: answer.status, code: answer.header('scopegate-error'), forwarded }
  }
}

const plan = { numRuns: Number(process.env.FUZZ_RUNS ?? 334), endOnFailure: true }
const people = { nobody: undefined, 'a user': user, 'an administrator': admin }

for (const [who, cookie] of Object.entries(people)) {
  t.test(`C1.23 the decision about a target is that about its canonical form, which is forwarded, for ${who}`, async t => {
    const decide = decider(t, cookie)
    const met = new Set<number>()
    await fc.assert(fc.asyncProperty(targets, async target => {
      const parsed = parseTarget(target)
      const decision = await decide(target)
      met.add(decision.status)
      if (parsed.kind === 'refused') return decision.status === parsed.status && decision.forwarded === undefined
      const canonical = parsed.path + parsed.query
      if (decision.forwarded !== undefined && decision.forwarded !== canonical) return false
      return JSON.stringify(await decide(canonical)) === JSON.stringify(decision)
    }), plan)
    for (const status of { nobody: [200, 400, 401], 'a user': [200, 400, 403], 'an administrator': [200, 400] }[who]!) t.ok(met.has(status), `${status} came up`)
  })
}

t.test('C1.23 an upgrade meets the same decision', async t => {
  const deciders = [undefined, user].map(cookie => [decider(t, cookie), decider(t, cookie, upgrade)] as const)
  await fc.assert(fc.asyncProperty(targets, async target => {
    for (const [plainly, byUpgrade] of deciders) {
      if (JSON.stringify(await plainly(target)) !== JSON.stringify(await byUpgrade(target))) return false
    }
    return true
  }), { ...plan, numRuns: Math.ceil(plan.numRuns / 3) })
  t.pass('for nobody and for a user')
})
