/** Calls to the provider: one test per requirement, against a server that misbehaves on purpose. */
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { connect, createServer, type Server } from 'node:net'
import type { AddressInfo } from 'node:net'
import { AuthError } from '@azure/msal-node'
import t, { type Test } from 'tap'
import { cacheOnly, createProviderNetwork, type NetworkOptions, type ProviderCall, type ProviderNetwork } from '../../src/identity/network.ts'
import { freePort } from '../support/ports.ts'
import { fails } from './support/fails.ts'
import { createClock, type Clock } from './support/clock.ts'
import { startProvider, type Reply, type ScriptedProvider } from './support/provider.ts'

const refreshBody = 'grant_type=refresh_token&refresh_token=secret-rt'
const codeBody = 'grant_type=authorization_code&code=secret-code'

interface Bench {
  readonly entra: ScriptedProvider
  readonly network: ProviderNetwork
  readonly calls: ProviderCall[]
  readonly clock: Clock
  post (body?: string): Promise<unknown>
  document (): Promise<unknown>
}

async function createBench (t: Test, options: Partial<NetworkOptions> = {}): Promise<Bench> {
  const entra = await startProvider(t)
  const clock = createClock(t)
  const calls: ProviderCall[] = []
  const network = createProviderNetwork({
    origins: [entra.origin], ca: entra.ca, now: clock.now, onCall: call => calls.push(call), ...options
  })
  t.teardown(network.close)
  return {
    entra,
    network,
    calls,
    clock,
    post: (body = refreshBody) => network.module.sendPostRequestAsync(`${entra.origin}/x/oauth2/v2.0/token?client-request-id=1`, { body }),
    document: () => network.getDocument(`${entra.origin}/x/v2.0/.well-known/openid-configuration`)
  }
}

function answering (bench: Bench, reply: Reply): void {
  bench.entra.onToken = () => reply
  bench.entra.onDocument = () => reply
}

const token = { access_token: 'at', token_type: 'Bearer' }

t.test('an answer is passed on with its headers, and the query of the address with the request', async t => {
  const bench = await createBench(t)
  answering(bench, { body: token, headers: { 'x-ms-request-id': '7' } })
  t.match(await bench.post(), { status: 200, body: token, headers: { 'x-ms-request-id': '7' } })
  t.match(bench.entra.calls[0]!.url, /\?client-request-id=1$/)
  t.match(bench.calls, [{ grant: 'refresh_token', outcome: 'ok', seconds: Number }])
})

t.test('N1: the certificate is verified: without the CA nothing is sent', async t => {
  const bench = await createBench(t, { ca: undefined })
  await fails(t, bench.post(), { errorCode: 'sts_network' })
  t.equal(bench.entra.paths.length, 0)
})

t.test('N1: a redirect is not followed', async t => {
  const bench = await createBench(t)
  answering(bench, { status: 302, headers: { location: `${bench.entra.origin}/elsewhere` } })
  await fails(t, bench.post(), { errorCode: 'sts_bad_response' })
  await fails(t, bench.document(), { errorCode: 'sts_bad_response' })
  t.notOk(bench.entra.paths.includes('/elsewhere'))
})

t.test('C12.4 a call that hangs before or in its answer ends at the deadline', async t => {
  const bench = await createBench(t, { totalMs: 150 })
  answering(bench, { raw: () => {} })
  await fails(t, bench.post(), { errorCode: 'sts_timeout' })
  answering(bench, { raw: response => { response.writeHead(200).write('{') } })
  await fails(t, bench.post(), { errorCode: 'sts_timeout' })
  t.match(bench.calls.map(call => call.outcome), ['sts_timeout', 'sts_timeout'])
})

t.test('N2: a reset connection is a network error', async t => {
  const bench = await createBench(t)
  answering(bench, { raw: (_, socket) => { socket.destroy() } })
  await fails(t, bench.post(), { errorCode: 'sts_network' })
})

t.test('N2: closing ends calls that are under way', async t => {
  const bench = await createBench(t)
  answering(bench, { raw: () => { bench.network.close() } })
  await fails(t, bench.post(), { errorCode: 'sts_timeout' })
})

t.test('C12.4 an answer of more than 1 MiB is given up', async t => {
  const bench = await createBench(t)
  answering(bench, { body: { ...token, padding: 'x'.repeat(1024 * 1024) } })
  await fails(t, bench.post(), { errorCode: 'sts_bad_response' })
})

t.test('C12.3 5xx and 429 never reach MSAL, whatever their body', async t => {
  const bench = await createBench(t)
  for (const status of [500, 502, 503, 504, 599]) {
    answering(bench, { status, body: token, headers: { 'retry-after': '7' } })
    const error = await fails(t, bench.post(), { errorCode: 'sts_unavailable', status, retryAfterMs: 7000 })
    t.ok(error instanceof AuthError, 'an error of MSAL\'s kind, which MSAL passes on')
    bench.clock.advance(20_000)
  }
  answering(bench, { status: 429, body: {}, headers: { 'retry-after': '86400' } })
  await fails(t, bench.post(), { errorCode: 'sts_throttled', status: 429, retryAfterMs: 300_000 })
})

t.test('N4: Retry-After may be a date', async t => {
  const bench = await createBench(t)
  answering(bench, { status: 503, headers: { 'retry-after': new Date(bench.clock.now() + 60_000).toUTCString() } })
  const { retryAfterMs = 0 } = await fails(t, bench.post(), { errorCode: 'sts_unavailable' })
  t.ok(retryAfterMs > 57_000 && retryAfterMs <= 60_000)
})

t.test('C6.9, C12.4 what is neither a bearer token nor an OAuth error is a bad response', async t => {
  const bench = await createBench(t)
  const strange: Reply[] = [
    { body: '<html>' }, { body: '' }, { body: '[]' }, { body: 'null' }, { body: '"at"' },
    { body: {} }, { body: { access_token: '', token_type: 'Bearer' } }, { body: { access_token: 7, token_type: 'Bearer' } },
    { body: { access_token: 'at' } }, { body: { access_token: 'at', token_type: 'PoP' } },
    { status: 400, body: '<html>' }, { status: 400, body: {} }, { status: 400, body: { error: 7 } }, { status: 404, body: [] },
    { status: 304, body: token }
  ]
  for (const reply of strange) {
    answering(bench, reply)
    await fails(t, bench.post(), { errorCode: 'sts_bad_response' }, JSON.stringify(reply))
  }
})

t.test('N6: an OAuth error goes to MSAL, without the Retry-After that would arm its throttle', async t => {
  const bench = await createBench(t)
  answering(bench, { status: 400, body: { error: 'invalid_grant' }, headers: { 'retry-after': '60', 'x-a': 'b' } })
  const answer = await bench.post() as { headers: Record<string, string> }
  t.match(answer, { status: 400, body: { error: 'invalid_grant' }, headers: { 'x-a': 'b' } })
  t.equal(answer.headers['retry-after'], undefined)
  t.match(bench.calls, [{ outcome: 'refused' }])
})

t.test('N8: no other origin is ever called', async t => {
  const bench = await createBench(t)
  const other = await startProvider(t)
  const strange = [other.origin, bench.entra.origin.replace('https:', 'http:'), bench.entra.origin.replace('localhost', '127.0.0.1')]
  for (const origin of strange) {
    await fails(t, bench.network.module.sendPostRequestAsync(`${origin}/t`, { body: refreshBody }), { errorCode: 'sts_foreign_address' })
    await fails(t, bench.network.getDocument(`${origin}/d`), { errorCode: 'sts_foreign_address' })
  }
  t.strictSame([...other.paths, ...bench.entra.paths], [])
})

t.test('N9: a document is fetched up to three times', async t => {
  const bench = await createBench(t)
  let failures = 2
  bench.entra.onDocument = () => failures-- > 0 ? { status: 503 } : undefined
  t.match(await bench.document(), { issuer: String })
  t.equal(bench.entra.paths.length, 3)
  failures = 3
  await fails(t, bench.document(), { errorCode: 'sts_unavailable' })
  t.equal(bench.entra.paths.length, 6)
})

t.test('C12.2 a token request that was sent is not sent again', async t => {
  const bench = await createBench(t)
  answering(bench, { raw: (_, socket) => { socket.destroy() } })
  for (const body of [refreshBody, codeBody]) await fails(t, bench.post(body), { errorCode: 'sts_network' })
  t.equal(bench.entra.calls.length, 2)
})

t.test('N9: a refresh is tried again when the connection did not come about, a code is not', async t => {
  /** Posts while nobody listens. As soon as that was noticed, and before the retry, the provider is back. */
  const postEarly = async (body: string): Promise<unknown> => {
    const { origin, ca } = await startProvider(t)
    const port = await freePort()
    const relay = createServer(near => { near.pipe(connect(Number(new URL(origin).port), '127.0.0.1')).pipe(near) })
    t.teardown(() => { relay.close() })
    const away = `https://localhost:${port}`
    const network = createProviderNetwork({ origins: [away], ca, now: Date.now })
    t.teardown(network.close)
    const noticed = (): void => {
      unsubscribe('undici:client:connectError', noticed)
      relay.listen(port, '127.0.0.1')
    }
    subscribe('undici:client:connectError', noticed)
    return await network.module.sendPostRequestAsync(`${away}/x/oauth2/v2.0/token`, { body })
  }
  t.match(await postEarly(refreshBody), { status: 200 })
  await fails(t, postEarly(codeBody), { errorCode: 'sts_network' })
})

t.test('N10: a host that does not answer is left alone, and tried by one call after the pause', async t => {
  const bench = await createBench(t)
  answering(bench, { status: 503 })
  for (let n = 0; n < 5; n++) await fails(t, bench.post(), { errorCode: 'sts_unavailable', status: 503 })
  await fails(t, bench.post(), { errorCode: 'sts_unavailable', status: undefined, retryAfterMs: Number })
  t.equal(bench.entra.calls.length, 5)
  bench.clock.advance(10_001)
  answering(bench, { body: token })
  const results = await Promise.allSettled([bench.post(), bench.post()])
  t.strictSame(results.map(result => result.status), ['fulfilled', 'rejected'])
  t.match(await bench.post(), { status: 200 })
})

t.test('N10: a host that refuses is alive', async t => {
  const bench = await createBench(t)
  for (const reply of [{ status: 400, body: { error: 'invalid_grant' } }, { status: 429 }, { body: 'x' }]) {
    answering(bench, reply)
    for (let n = 0; n < 6; n++) await bench.post().catch(() => {})
  }
  t.equal(bench.entra.calls.length, 18)
})

t.test('N11: no error tells what was sent', async t => {
  const bench = await createBench(t, { totalMs: 200 })
  for (const reply of [{ status: 503 }, { body: '<html>secret-page' }, { raw: () => {} }]) {
    answering(bench, reply)
    const error = await fails(t, bench.post(), { name: 'StsError' })
    t.notMatch(JSON.stringify([error, error.message, error.stack, String(error.cause?.message)]), /secret-rt|secret-page|client-request-id/)
  }
})

t.test('N12: the cache-only variant calls nobody', async t => {
  await fails(t, cacheOnly.sendPostRequestAsync('https://localhost/x'), { errorCode: 'need_network' })
  await fails(t, cacheOnly.sendGetRequestAsync('https://localhost/x'), { errorCode: 'need_network' })
})

t.test('MSAL cannot fetch anything: it is told all it needs', async t => {
  const bench = await createBench(t)
  await fails(t, bench.network.module.sendGetRequestAsync(`${bench.entra.origin}/x`), { errorCode: 'need_network' })
  t.equal(bench.entra.paths.length, 0)
})

t.test('N2: a host that does not complete the handshake times out', async t => {
  const silent: Server = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const origin = `https://localhost:${(silent.address() as AddressInfo).port}`
  const network = createProviderNetwork({ origins: [origin], now: Date.now, connectMs: 50 })
  t.teardown(network.close)
  await fails(t, network.module.sendPostRequestAsync(`${origin}/t`, { body: codeBody }), { errorCode: 'sts_timeout' })
})

t.test('N2: a proxy that does not say whether there is a tunnel is given up like a host that does not connect', async t => {
  const silent: Server = createServer(() => {})
  await new Promise<void>(resolve => silent.listen(0, '127.0.0.1', resolve))
  t.teardown(() => silent.close())
  const url = `http://user:secret-word@127.0.0.1:${(silent.address() as AddressInfo).port}`
  const network = createProviderNetwork({ origins: ['https://login.example'], proxy: { url, except: '' }, now: Date.now, connectMs: 50 })
  const error = await fails(t, network.module.sendPostRequestAsync('https://login.example/t', { body: codeBody }), { errorCode: 'sts_timeout' })
  t.notMatch(JSON.stringify([error, error.message, error.stack]), /secret/)
  await network.close()
})

t.test('N8, N10: several origins may be called, no other, and one that is away does not take the others with it', async t => {
  const [one, two, other] = await Promise.all([startProvider(t), startProvider(t), startProvider(t)])
  const network = createProviderNetwork({ origins: [one.origin, two.origin], ca: one.ca, now: Date.now })
  t.teardown(network.close)
  one.onDocument = () => ({ status: 503 })
  two.onDocument = () => ({ body: { keys: [] } })
  for (let n = 0; n < 6; n++) await fails(t, network.getDocument(`${one.origin}/a`), { errorCode: 'sts_unavailable' })
  t.same(await network.getDocument(`${two.origin}/b`), { keys: [] })
  await fails(t, network.getDocument(`${other.origin}/c`), { errorCode: 'sts_foreign_address' })
  t.strictSame(other.paths, [])
})

t.test('N10: an origin that is slow takes nobody\'s turn at another one', async t => {
  const [slow, other] = [await startProvider(t), await startProvider(t)]
  const network = createProviderNetwork({ origins: [slow.origin, other.origin], ca: slow.ca, now: Date.now, turnMs: 50 })
  slow.onDocument = () => ({ raw: () => {} })
  other.onDocument = () => ({ body: { keys: [] } })
  const waiting = Array.from({ length: 40 }, () => fails(t, network.getDocument(`${slow.origin}/a`), { name: 'StsError' }))
  t.same(await network.getDocument(`${other.origin}/b`), { keys: [] })
  await network.close()
  await Promise.all(waiting)
})
