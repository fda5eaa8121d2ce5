/** This file signs users in at what Entra ID is besides one tenant of the public cloud. */
import { decodeJwt } from 'jose'
import t, { type Test } from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import type { EmulatorConfig } from '../../emulator/config/shape.ts'
import { configWith } from '../emulator/support/config.ts'
import { createBrowser } from '../support/browser.ts'
import { startConnectProxy } from '../support/connect-proxy.ts'
import { startEntra, startGateway, tenant as contoso, type GatewayParts } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const fabrikam = '99999999-9999-4999-8999-999999999999'
const orders = ['api://orders/Orders.Read']

/** Applications of Contoso that users of every tenant may use. */
function withSharedApps (): EmulatorConfig {
  return configWith({ apps: { Gateway: { audience: 'multi' }, 'Orders API': { audience: 'multi' } } })
}

async function start (t: Test, parts: Partial<GatewayParts> & Pick<GatewayParts, 'emulator' | 'entra'>) {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: app.origin, scopes: orders } }, routes: [{ path: '/*', upstream: 'app' }], ...parts
  })
  return { app, ...gateway }
}

function tenantOf (me: { user_claims: { typ: string, val: string }[] }[]): string | undefined {
  return me[0]?.user_claims.find(({ typ }) => typ.endsWith('/tenantid'))?.val
}

t.test('with organizations, users of the listed tenants get in, each with tokens of their own tenant', async t => {
  const entra = await startEntra(t, { config: withSharedApps() })
  const { app, url } = await start(t, { emulator: entra, entra: { tenantId: 'organizations', allowedTenants: [contoso, fabrikam] } })
  for (const [user, tid] of [['alice@contoso.example', contoso], ['fred@fabrikam.example', fabrikam]] as const) {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const page = await browser.go(`${url}/`)
    t.equal(page.status, 200, user)
    t.equal(tenantOf((await browser.fetch(`${url}/.auth/me`)).json()), tid)
    t.equal(decodeJwt(page.json().headers.authorization.slice('Bearer '.length)).tid, tid)
  }
  t.equal(app.seen.length, 2)
})

t.test('with common, a user of a tenant that is not listed is refused, and nothing is stored', async t => {
  const entra = await startEntra(t, { config: withSharedApps() })
  const { app, url } = await start(t, { emulator: entra, entra: { tenantId: 'common', allowedTenants: [contoso] } })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'fred@fabrikam.example' })
  const page = await browser.go(`${url}/`)
  t.equal(page.status, 403)
  t.match(page.body, /SG_SIGN_IN_REFUSED/)
  t.equal((await browser.fetch(`${url}/.auth/me`)).status, 401)
  t.equal(app.seen.length, 0)
})

t.test('a guest is a user of the tenant that invited them, whatever their home is', async t => {
  const entra = await startEntra(t)
  const { url } = await start(t, { emulator: entra, entra: { tenantId: contoso } })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'guest@fabrikam.example' })
  t.equal((await browser.go(`${url}/`)).status, 200)
  t.equal(tenantOf((await browser.fetch(`${url}/.auth/me`)).json()), contoso)
})

for (const origin of ['https://login.microsoftonline.us', 'https://login.partner.microsoftonline.cn']) {
  t.test(`a sovereign cloud is another instance: ${origin}`, async t => {
    const { entra, proxy } = await startBehindProxy(t, origin)
    const { gateway, browser } = await startCloud(t, { entra, proxy })
    const login = await browser.visit(`${gateway.url}/.auth/login`)
    t.equal(new URL(login.location()).origin, origin)
    const page = await browser.go(`${gateway.url}/`)
    t.equal(page.status, 200)
    t.match(page.json().headers.authorization, /^Bearer eyJ/)
    const again = await browser.fetch(`${gateway.url}/again`)
    t.equal(again.json().headers.authorization, page.json().headers.authorization, 'out of the record, under the names MSAL knows the cloud by')
    t.same([...new Set(proxy.asked)], [`${new URL(origin).host}:443`], 'and of no other cloud')
    const out = await browser.visit(`${gateway.url}/.auth/logout`)
    t.match(out.location(), `${origin}/${contoso}/oauth2/v2.0/logout`)
  })
}

/** An emulator under a name of Microsoft's, which a proxy knows. */
async function startBehindProxy (t: Test, origin: string) {
  const entra = await startEntra(t, { config: { ...loadDefaultConfig(), origin }, isBehindProxy: true })
  const proxy = await startConnectProxy(t)
  proxy.names.set(`${new URL(origin).host}:443`, entra.port)
  return { entra, proxy }
}

async function startCloud (t: Test, { entra, proxy }: Awaited<ReturnType<typeof startBehindProxy>>) {
  const gateway = await start(t, { emulator: entra, entra: { tenantId: contoso }, env: { HTTPS_PROXY: proxy.url } })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example', proxy: proxy.url })
  return { gateway, browser }
}

t.test('a provider whose endpoints are in the config is asked nowhere else', async t => {
  const entra = await startEntra(t)
  const base = `${entra.origin}/${contoso}`
  const { url } = await start(t, {
    emulator: entra,
    entra: {
      tenantId: contoso,
      authorityMetadata: {
        issuer: `${base}/v2.0`,
        authorizationEndpoint: `${base}/oauth2/v2.0/authorize`,
        tokenEndpoint: `${base}/oauth2/v2.0/token`,
        jwksUri: `${base}/discovery/v2.0/keys`,
        endSessionEndpoint: `${base}/oauth2/v2.0/logout`
      }
    }
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  t.equal((await browser.go(`${url}/`)).status, 200)
  const asked = new Set(entra.requests().map(({ endpoint }) => endpoint))
  t.notOk(asked.has('metadata') || asked.has('instance'))
  const out = await browser.visit(`${url}/.auth/logout`)
  t.match(out.location(), `${base}/oauth2/v2.0/logout`)
})
