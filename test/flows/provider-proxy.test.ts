/** This file puts a company's proxy between the gateway and the identity provider, and nothing else behind it. */
import t, { type Test } from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import { createBrowser } from '../support/browser.ts'
import { startConnectProxy, type ConnectProxyOptions } from '../support/connect-proxy.ts'
import { startEntra, startGateway, tenant } from '../support/gateway.ts'
import { until } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const origin = 'https://login.contoso.example'
const credentials = { user: 'gateway', password: 'pa:ss/w0rd' }

async function startProvider (t: Test, options: ConnectProxyOptions = {}) {
  const entra = await startEntra(t, { config: { ...loadDefaultConfig(), origin }, isBehindProxy: true })
  const proxy = await startConnectProxy(t, options)
  proxy.names.set('login.contoso.example:443', entra.port)
  return { entra, proxy }
}

interface Parts {
  readonly instance?: string
  readonly caFile: string
  readonly env: Record<string, string>
}

/** A gateway that need not become ready. */
async function start (t: Test, { instance = origin, caFile, env }: Parts) {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { instance, tenantId: tenant, caFile },
    env
  })
  return { app, ...gateway }
}

t.test('metadata, keys and tokens come through the proxy, with its user; the upstream is reached without it', async t => {
  const { entra, proxy } = await startProvider(t, { credentials })
  const { url, isReady, logged } = await start(t, { caFile: entra.caFile, env: { HTTPS_PROXY: proxy.url } })
  await until('readiness', isReady)
  // The browser has no proxy of its own here: the same one, for the emulator's name.
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example', proxy: proxy.url })
  const page = await browser.go(`${url}/`)
  t.equal(page.status, 200)
  t.same([...new Set(proxy.asked)], ['login.contoso.example:443'])
  t.notMatch(logged(), /pa:ss|pa%3Ass|gateway:|Z2F0ZXdheTpwYT/)
})

t.test('the certificate behind the tunnel is verified', async t => {
  const { proxy } = await startProvider(t)
  const other = await startEntra(t)
  const { isReady, logged } = await start(t, { caFile: other.caFile, env: { HTTPS_PROXY: proxy.url } })
  await until('a refusal', () => logged().includes('metadata cannot be used'))
  t.notOk(isReady())
})

t.test('a proxy that refuses keeps the gateway from being ready, and its password out of the log', async t => {
  const { entra, proxy } = await startProvider(t, { credentials })
  const wrong = proxy.url.replace('pa%3Ass', 'wr0ng')
  t.not(wrong, proxy.url)
  const { url, isReady, logged } = await start(t, { caFile: entra.caFile, env: { https_proxy: wrong } })
  await until('a refusal', () => logged().includes('metadata cannot be used'))
  t.notOk(isReady())
  t.equal((await createBrowser(t).visit(`${url}/.auth/login`)).status, 503)
  t.notMatch(logged(), /wr0ng/)
})

t.test('NO_PROXY names what is reached without it; this machine always is', async t => {
  const proxy = await startConnectProxy(t)
  const entra = await startEntra(t)
  const local = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: 'http://127.0.0.1:1' } },
    routes: [{ path: '/*', upstream: 'app' }],
    env: { HTTPS_PROXY: proxy.url }
  })
  t.ok(local.isReady(), 'localhost without NO_PROXY')
  const elsewhere = 'https://127.0.0.2:1'
  for (const NO_PROXY of ['127.0.0.2', 'example.com, 127.0.0.2:1', '*']) {
    const { logged } = await start(t, { instance: elsewhere, caFile: entra.caFile, env: { HTTP_PROXY: proxy.url, NO_PROXY } })
    await until('a refused connection', () => logged().includes('ECONNREFUSED'))
  }
  t.same(proxy.asked, [])
  await start(t, { instance: elsewhere, caFile: entra.caFile, env: { HTTP_PROXY: proxy.url, NO_PROXY: '127.0.0.2:2' } })
  await until('a call', () => proxy.asked.includes('127.0.0.2:1'))
})
