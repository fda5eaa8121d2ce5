/** This file checks that every upstream gets exactly its user's token for its route, and that tokens are renewed once. */
import t, { type Test } from 'tap'
import { createClock } from '../identity/support/clock.ts'
import { type Browser, createBrowser } from '../support/browser.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import { createVerifier } from '../support/jwt.ts'
import { startUpstream } from '../support/upstream.ts'

const ordersApi = '44444444-4444-4444-8444-444444444444'
const reportsApi = '55555555-5555-4555-8555-555555555555'
const scopes = ['api://orders/Orders.Read', 'api://orders/Orders.Write', 'api://reports/Reports.Read']

async function start (t: Test) {
  const entra = await startEntra(t)
  const upstream = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: {
      orders: { url: upstream.origin, scopes: ['api://orders/Orders.Read'] },
      reports: { url: upstream.origin, scopes: ['api://reports/Reports.Read'] }
    },
    routes: [
      { path: '/orders/*', upstream: 'orders' },
      { path: '/write/*', upstream: 'orders', scopes: ['api://orders/Orders.Write'] },
      { path: '/reports/*', upstream: 'reports' },
      { path: '/*', upstream: 'orders', token: 'none' }
    ],
    entra: { initialScopes: scopes },
    session: { idleSeconds: 20_000 }
  })
  const verify = await createVerifier(entra)
  async function signIn (user: string): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const reply = await browser.go(`${gateway.url}/`)
    if (reply.status !== 200) throw new Error(`signing in ended with ${reply.status} ${reply.body}`)
    return browser
  }
  return { entra, upstream, gateway, verify, signIn }
}

t.test('C1.22, C6.2 two users on three routes: every upstream sees that user\'s token with that route\'s audience and scopes', async t => {
  const { gateway, verify, signIn } = await start(t)
  const users = await Promise.all(['alice', 'bob'].map(async name => ({ name: `${name}@contoso.example`, browser: await signIn(`${name}@contoso.example`) })))
  const routes = [
    { path: '/orders/1', aud: ordersApi, scp: 'Orders.Read' },
    { path: '/write/1', aud: ordersApi, scp: 'Orders.Write' },
    { path: '/reports/1', aud: reportsApi, scp: 'Reports.Read' }
  ]
  const requests = Array.from({ length: 200 }, (_, i) => ({ ...users[i % 2]!, ...routes[i % 3]! }))
  const answers = await Promise.all(requests.map(async ({ name, browser, path, aud, scp }) => {
    const reply = await browser.fetch(gateway.url + path)
    const token = await verify(reply.json().headers.authorization)
    return { status: reply.status, user: token.preferred_username === name, aud: token.aud === aud, scp: String(token.scp).split(' ').includes(scp) }
  }))
  t.equal(answers.length, 200)
  const right = JSON.stringify({ status: 200, user: true, aud: true, scp: true })
  t.same([...new Set(answers.map(answer => JSON.stringify(answer)))], [right])
})

t.test('C6.1 100 parallel requests at token expiry cause one token request per account and scope set', async t => {
  // MSAL reads Date, and so does everybody else in this process.
  const clock = createClock(t)
  const { entra, gateway, signIn, verify } = await start(t)
  const browser = await signIn('alice@contoso.example')
  const paths = ['/orders/1', '/reports/1']
  for (const path of paths) await browser.fetch(gateway.url + path)
  clock.advance(6000 * 1000)
  const before = entra.requests().length
  const replies = await Promise.all(Array.from({ length: 100 }, async (_, i) => await browser.fetch(gateway.url + paths[i % 2]!)))
  t.same([...new Set(replies.map(reply => reply.status))], [200])
  for (const reply of replies.slice(0, 2)) await verify(reply.json().headers.authorization)
  const calls = entra.requests().slice(before).filter(call => call.endpoint === 'token')
  t.equal(calls.length, 2, 'one for orders, one for reports')
  t.same(calls.map(call => call.parameters.scope?.split(' ')[0]).sort(), ['api://orders/Orders.Read', 'api://reports/Reports.Read'])
})
