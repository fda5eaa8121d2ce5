/** Tokens of the gateway itself: one for everybody, renewed in time, and nobody's business when the provider refuses it. */
import t, { type Test } from 'tap'
import { createScopeSets } from '../../src/config/scope-sets.ts'
import { theApp } from '../../src/identity/holder.ts'
import { fails } from './support/fails.ts'
import { createGateway, type Gateway, tokenOf } from './support/gateway.ts'
import { client, type Reply, type ScriptedProvider, startProvider, tenant, type TokenCall } from './support/provider.ts'

const minuteMs = 60_000

/** Indices of the scope sets. */
const orders = 0
const reports = 1

interface Bench extends Gateway {
  readonly entra: ScriptedProvider
}

/** An answer as Entra gives it to an app: four members, no refresh token, no scope. */
function appToken (number: number, expiresIn = 3600): Reply {
  return { body: { token_type: 'Bearer', expires_in: expiresIn, ext_expires_in: expiresIn, access_token: `app-${number}` } }
}

async function createBench (t: Test): Promise<Bench> {
  const entra = await startProvider(t)
  const isForApp = ({ form }: TokenCall): boolean => form.get('grant_type') === 'client_credentials'
  entra.onToken = (call, number) => isForApp(call) ? appToken(number) : undefined
  const sets = createScopeSets()
  for (const scope of ['api://orders/.default', 'api://reports/.default']) sets.indexOf([scope])
  const gateway = await createGateway(t, entra, { scopeSets: sets.all })
  await gateway.provider.ready
  return { ...gateway, entra }
}

t.test('a hundred at once cause one request, which asks for the API\'s .default in the gateway\'s own name', async t => {
  const { provider, entra } = await createBench(t)
  const tokens = await Promise.all(Array.from({ length: 100 }, async () => tokenOf(await provider.acquire(theApp, orders))))
  t.strictSame([...new Set(tokens.map(({ bearer }) => bearer))], ['Bearer app-1'])
  t.equal(entra.calls.length, 1)
  const { form, url } = entra.calls[0]!
  t.match(url, `/${tenant}/oauth2/v2.0/token`)
  t.match(Object.fromEntries(form), { grant_type: 'client_credentials', scope: 'api://orders/.default', client_id: client, client_secret: 'gw-secret' })
  t.match(provider.acquire(theApp, orders), { bearer: 'Bearer app-1', source: 'ready' }, 'from then on it is ready')
  t.equal(tokenOf(await provider.acquire(theApp, reports)).bearer, 'Bearer app-2', 'another API has another token')
})

t.test('C1.22 a user and the gateway never get each other\'s token, not even for the same scope', async t => {
  const { provider, entra, signIn } = await createBench(t)
  const holder = await signIn()
  const app = tokenOf(await provider.acquire(theApp, orders)).bearer
  const user = tokenOf(await provider.acquire(holder, orders)).bearer
  t.match(app, /^Bearer app-/)
  t.match(user, /^Bearer at-/)
  t.match(provider.acquire(theApp, orders), { bearer: app })
  t.match(provider.acquire(holder, orders), { bearer: user })
  await provider.forget(holder, { dropAccount: true })
  t.match(provider.acquire(theApp, orders), { bearer: app }, 'a sign-out does not touch it')
  t.equal(entra.calls.filter(({ form }) => form.get('grant_type') === 'client_credentials').length, 1)
})

t.test('it is renewed once, before it expires, while the old one serves on', async t => {
  const { provider, entra, clock } = await createBench(t)
  tokenOf(await provider.acquire(theApp, orders))
  clock.advance(55 * minuteMs)
  for (let i = 0; i < 20; i++) t.match(provider.acquire(theApp, orders), { bearer: 'Bearer app-1' })
  t.ok(await becomes(() => bearerOf(provider.acquire(theApp, orders)) === 'Bearer app-2'))
  t.equal(entra.calls.length, 2)
})

t.test('C12.9 it outlives an outage of the provider until it expires, and Retry-After is kept', async t => {
  const { provider, entra, clock } = await createBench(t)
  tokenOf(await provider.acquire(theApp, orders))
  const script = entra.onToken
  entra.onToken = () => ({ status: 503, headers: { 'retry-after': '120' }, body: '' })
  for (let minutes = 0; minutes < 59; minutes++) {
    const token = provider.acquire(theApp, orders)
    if (bearerOf(token) !== 'Bearer app-1') t.fail(`after ${minutes} minutes`)
    clock.advance(minuteMs)
    await new Promise(resolve => { setTimeout(resolve, 10) })
  }
  t.ok(entra.calls.length <= 4, `${entra.calls.length - 1} tries while it could be used`)
  clock.advance(5 * minuteMs)
  const waits = async (): Promise<number> => {
    const { retryAfterMs = 0 } = await fails(t, async () => await provider.acquire(theApp, orders), { code: 'SG_PROVIDER_UNAVAILABLE' })
    return Math.ceil(retryAfterMs / 1000)
  }
  t.equal(await waits(), 122, 'and a little more, so that not all come back at once')
  const tries = entra.calls.length
  clock.advance(minuteMs)
  t.equal(await waits(), 62)
  t.equal(entra.calls.length, tries, 'it is left alone')
  entra.onToken = script
  clock.advance(minuteMs + 4000)
  t.match(tokenOf(await provider.acquire(theApp, orders)).bearer, /^Bearer app-/)
})

t.test('a refusal is the operator\'s to mend: no sign-in, no 403, and for a moment nobody asks again', async t => {
  const rows = [
    [501051, 'invalid_grant', ''], [65001, 'invalid_grant', 'consent_required'], [53003, 'invalid_grant', 'message_only'], [7000215, 'invalid_client', ''],
    [7000222, 'invalid_client', ''], [700016, 'unauthorized_client', ''], [500011, 'invalid_resource', ''], [1002012, 'invalid_scope', '']
  ] as const
  for (const [number, error, suberror] of rows) {
    const { provider, entra, clock } = await createBench(t)
    const script = entra.onToken
    const body = { error, suberror, error_codes: [number], error_description: `AADSTS${number}: no.` }
    entra.onToken = (call, calls) => call.form.get('scope') === 'api://orders/.default' ? { status: 400, body } : script(call, calls)
    const refused = await Promise.allSettled(Array.from({ length: 10 }, async () => await provider.acquire(theApp, orders)))
    t.strictSame([...new Set(refused.map(one => one.status === 'rejected' ? one.reason.code : one.status))], ['SG_PROVIDER_MISCONFIGURED'], String(number))
    await fails(t, async () => await provider.acquire(theApp, orders), { code: 'SG_PROVIDER_MISCONFIGURED', cause: { code: `AADSTS${number}` } })
    t.equal(entra.calls.length, 1)
    t.match(tokenOf(await provider.acquire(theApp, reports)).bearer, /^Bearer app-/, 'another API is another matter')
    entra.onToken = script
    clock.advance(2000)
    t.match(tokenOf(await provider.acquire(theApp, orders)).bearer, /^Bearer app-/, 'mended')
  }
})

t.test('what is no usable token is none', async t => {
  const { provider, entra, clock } = await createBench(t)
  for (const body of [{ access_token: '' }, { token_type: 'pop' }, { expires_in: -10 }, {}]) {
    const isEmpty = Object.keys(body).length === 0
    entra.onToken = (_call, number) => ({ body: isEmpty ? {} : { ...appToken(number).body as object, ...body } })
    await fails(t, async () => await provider.acquire(theApp, orders), { code: 'SG_PROVIDER_UNAVAILABLE' }, JSON.stringify(body))
    clock.advance(minuteMs)
  }
})

t.test('claims of a challenge are asked for, and their token replaces the one that was challenged', async t => {
  const { provider, entra } = await createBench(t)
  tokenOf(await provider.acquire(theApp, orders))
  const claims = '{"access_token":{"nbf":{"essential":true,"value":"1900000000"}}}'
  t.match(await provider.acquire(theApp, orders, claims), { bearer: 'Bearer app-2', source: 'refresh' })
  t.match(JSON.parse(entra.calls[1]!.form.get('claims')!), JSON.parse(claims))
  t.match(provider.acquire(theApp, orders), { bearer: 'Bearer app-2', source: 'ready' })
})

function bearerOf (outcome: unknown): string | undefined {
  return (outcome as { bearer?: string }).bearer
}

/** Waits for what happens behind a request. */
async function becomes (holds: () => boolean): Promise<boolean> {
  for (let tries = 0; tries < 2000 && !holds(); tries++) await new Promise(resolve => { setTimeout(resolve, 10) })
  return holds()
}
