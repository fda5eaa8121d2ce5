/**
 * This file signs in as people who may not, with answers that belong elsewhere, and where nothing of a sign-in can be kept:
 * what comes of it is a page and no session.
 */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import { createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { reachCallback, signIn } from '../support/signed-in.ts'
import { startUpstream } from '../support/upstream.ts'

const contoso = '11111111-1111-4111-8111-111111111111'
const personal = '9188040d-6c67-4c5b-b112-36a304b66dad'
const bobsOid = '33333333-3333-4333-8333-333333333332'
const entra = await startEntra(t, { config: withSharedApps() })
const app = await startUpstream(t)
const parts = {
  emulator: entra,
  upstreams: { app: { url: app.origin } },
  routes: [
    { path: '/public/*', upstream: 'app', access: 'public' },
    { path: '/team/*', upstream: 'app', allow: { groups: ['g1'] } },
    { path: '/others/*', upstream: 'app', deny: { groups: ['g2'] } },
    { path: '/*', upstream: 'app' }
  ]
}
const tokenCalls = (): number => entra.requests().filter(({ endpoint }) => endpoint === 'token').length

/** The emulator's tenants, with apps that users of every tenant may use. */
function withSharedApps () {
  const config = loadDefaultConfig()
  const tenants = config.tenants.map(tenant => ({ ...tenant, apps: tenant.apps?.map(app => ({ ...app, audience: 'multi' as const })) ?? [] }))
  return { ...config, tenants }
}

t.test('C5.4 the answer of one gateway\'s sign-in is refused at another\'s callback, even with the keys of the other', async t => {
  const keys = [{ id: 'shared', key: randomBytes(32).toString('base64') }]
  const [one, two] = [await startGateway(t, { ...parts, keys }), await startGateway(t, { ...parts, keys, entra: { tenantId: 'organizations', allowedTenants: [contoso] } })]
  for (const [from, to] of [[one, two], [two, one]] as const) {
    // A browser has the pending sign-ins of both: cookies do not know ports.
    const browser = createBrowser(t, { ca: entra.caPem })
    await browser.visit(`${to.url}/.auth/login`)
    const { pathname, search } = await reachCallback(browser, from.url)
    const calls = tokenCalls()
    const refused = await browser.visit(to.url + pathname + search)
    t.equal(refused.status, 400)
    t.equal(refused.headers['scopegate-error'], 'SG_SIGN_IN_MISMATCH')
    t.equal(tokenCalls(), calls, 'the code was not sent')
    t.equal(browser.cookies(to.url).get('scopegate'), undefined)
    t.equal((await browser.visit(from.url + pathname + search)).status, 303, 'where it belongs it is good')
  }
})

t.test('C5.12 users of other tenants, personal accounts among them, get 403 and no session', async t => {
  const gateway = await startGateway(t, { ...parts, entra: { tenantId: 'organizations', allowedTenants: [contoso] } })
  async function enter (user: string, claims?: Record<string, unknown>) {
    const browser = createBrowser(t, { ca: entra.caPem })
    const callback = await reachCallback(browser, gateway.url, { user })
    if (claims !== undefined) entra.admin.fault({ endpoint: 'token', idToken: { claims } })
    return { answer: await browser.visit(callback.href), cookie: browser.cookies(gateway.url).get('scopegate') }
  }
  const refused = [await enter('fred@fabrikam.example'), await enter('alice@contoso.example', { tid: personal, iss: `${entra.origin}/${personal}/v2.0` })]
  for (const { answer, cookie } of refused) {
    t.equal(answer.status, 403)
    t.equal(answer.headers['scopegate-error'], 'SG_SIGN_IN_REFUSED')
    t.equal(cookie, undefined)
  }
  t.equal((await enter('alice@contoso.example')).answer.status, 303)
})

t.test('C5.13 a user whose groups did not fit into the token is denied where a rule names them as nobody can look them up, and let in elsewhere', async t => {
  const gateway = await startGateway(t, parts)
  async function enter (claims: Record<string, unknown>): Promise<string> {
    entra.admin.fault({ endpoint: 'token', idToken: { claims } })
    return (await signIn(t, { url: gateway.url, entra, user: 'bob@contoso.example', at: '/public/x' })).cookie
  }
  const statuses = async (cookie: string): Promise<number[]> =>
    await Promise.all(['/team/x', '/others/x', '/x'].map(async target => (await exchange(t, gateway.port, { target, cookie })).status))
  t.same(await statuses(await enter({ groups: ['g1'] })), [200, 200, 200], 'the control: of the group')
  t.same(await statuses(await enter({ groups: ['g2'] })), [403, 403, 200], 'the control: of the denied group')
  const sources = { _claim_names: { groups: 'src1' }, _claim_sources: { src1: { endpoint: `https://graph.windows.net/${contoso}/users/${bobsOid}/getMemberObjects` } } }
  for (const overage of [{ hasgroups: true }, { hasgroups: 'true' }, sources, { _claim_names: { groups: 'src1' } }]) {
    t.same(await statuses(await enter({ groups: null, ...overage })), [403, 403, 200], JSON.stringify(overage).slice(0, 40))
  }
  t.same(await statuses(await enter({ groups: null })), [403, 200, 200], 'no groups at all are no overage')
})

t.test('C3.6 a browser that keeps no session cookie ends on a page after three rounds', async t => {
  const gateway = await startGateway(t, parts)
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  const calls = tokenCalls()
  let page = await browser.visit(`${gateway.url}/x`)
  for (let hops = 0; page.status >= 300 && page.status < 400 && hops < 30; hops++) {
    browser.cookies(gateway.url).delete('scopegate')
    const next = page.location()
    page = await browser.visit(next.includes('/oauth2/v2.0/authorize') ? `${next}&autologin=alice%40contoso.example&autoconsent=1` : next)
  }
  t.equal(page.status, 403)
  t.equal(page.headers['scopegate-error'], 'SG_SIGN_IN_LOOP')
  t.match(page.headers['content-type'], /^text\/html/)
  t.equal(tokenCalls() - calls, 3)
})
