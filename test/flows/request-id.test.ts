/**
 * This file follows the id of a request: the one that a trusted proxy gives it is in the log, in whatever the gateway answers,
 * and at the upstream; that of anybody else is nowhere.
 */
import t, { type Test } from 'tap'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const navigation: ReadonlyArray<readonly [string, string]> = [['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document']]

async function startBehind (t: Test, trustedProxies: readonly string[]) {
  const app = await startUpstream(t)
  const { port, logged } = await startGateway(t, {
    upstreams: { app: { url: app.origin }, gone: { url: 'http://127.0.0.1:1' } },
    routes: [{ path: '/public/*', upstream: 'app', access: 'public' }, { path: '/gone/*', upstream: 'gone', access: 'public' }, { path: '/*', upstream: 'app' }],
    server: { trustedProxies }
  })
  const ask = async (id: string, target: string, fields: typeof navigation = []) =>
    await exchange(t, port, { target, fields: [['X-Request-Id', id], ...fields] })
  const lines = (): any[] => logged().split('\n').filter(line => line !== '').map(line => JSON.parse(line))
  return { app, ask, logged, lines }
}

t.test('the request id of a trusted proxy is the one of the request, everywhere', async t => {
  const { app, ask, lines } = await startBehind(t, ['127.0.0.0/8'])
  await ask('edge-1', '/public/x')
  t.equal(app.seen.at(-1)!.headers['x-request-id'], 'edge-1', 'at the upstream')
  t.match(app.seen.at(-1)!.headers.traceparent, /^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)
  t.equal((await ask('edge-2', '/x')).json().requestId, 'edge-2', 'in a problem document')
  t.match((await ask('edge-3', '/gone/x', navigation)).text(), />edge-3</, 'on a page')
  t.equal((await ask('edge-4', '/../x')).json().requestId, 'edge-4', 'in an answer before any route')
  await until('the lines', () => lines().some(({ requestId, status }) => requestId === 'edge-3' && status === 502))
  const of = (id: string): object[] => lines().filter(({ requestId }) => requestId === id)
  t.match(of('edge-1'), [{ path: '/public/x', status: 200 }])
  t.match(of('edge-2'), [{ path: '/x', status: 401 }])
  t.match(of('edge-3'), [{ code: 'SG_UPSTREAM_UNREACHABLE' }, { path: '/gone/x', status: 502 }])
  t.match(of('edge-4'), [{ event: 'target-refused', status: 400 }])
})

t.test('the request id of anybody else is nowhere', async t => {
  const { app, ask, logged } = await startBehind(t, ['192.0.2.0/24'])
  const told = [await ask('forged-1', '/public/x'), await ask('forged-2', '/x'), await ask('forged-3', '/gone/x', navigation), await ask('forged-4', '/../x')]
  await until('the lines', () => logged().includes('"status":502'))
  t.notMatch(logged() + told.map(({ body }) => String(body)).join('') + JSON.stringify(app.seen.map(({ rawHeaders }) => rawHeaders)), 'forged')
  t.match(app.seen.at(-1)!.headers['x-request-id'], /^[0-9a-f-]{36}$/)
})
