/**
 * This file calls the demo's APIs past the gateway: they take the right token from anybody, and nothing else from anyone.
 */
import t from 'tap'
import { startGraphApi } from '../../demo/graph-api.ts'
import { startOrdersApi } from '../../demo/orders-api.ts'
import { startEmulator } from '../../emulator/start.ts'

const tenantId = '11111111-1111-4111-8111-111111111111'
const alice = { user: 'alice@contoso.example', client: '22222222-2222-4222-8222-222222222222' }

const entra = await startEmulator()
const issuer = { origin: entra.origin, caPem: entra.caPem, tenantId }
const orders = await startOrdersApi(0, issuer)
const graph = await startGraphApi(0, issuer)
t.teardown(async () => {
  await Promise.all([orders.close(), graph.close()])
  await entra.close()
})

async function call (url: string, token: string | undefined, method = 'GET') {
  const headers = { ...(token === undefined ? {} : { authorization: `Bearer ${token}` }), 'content-type': 'application/json' }
  const body = method === 'POST' ? JSON.stringify({ item: 'Blue pen', quantity: 5 }) : null
  const answer = await fetch(url, { method, headers, body })
  return { status: answer.status, challenge: answer.headers.get('www-authenticate'), body: await answer.json() as Record<string, unknown> }
}

t.test('the orders API takes a token of its own and tells what it saw', async t => {
  const token = await entra.admin.token({ ...alice, scope: 'api://orders/Orders.Read' })
  const { status, body } = await call(`${orders.url}/api/orders`, token)
  t.equal(status, 200)
  t.match(body, { orders: [{ item: 'Desk lamp' }, {}], seen: { api: 'api://orders', scp: 'Orders.Read', name: 'Alice Andersson' } })
  t.notMatch(JSON.stringify(body), /eyJ/, 'but not the token')
})

t.test('the orders API answers 401 to no token and to a wrong one', async t => {
  const claims = { aud: '44444444-4444-4444-8444-444444444444', oid: 'a', scp: 'Orders.Read' }
  t.match(await call(`${orders.url}/api/orders`, undefined), { status: 401, challenge: 'Bearer' })
  for (const [what, token] of Object.entries({
    'for another API': await entra.admin.token({ ...alice, scope: 'api://reports/Reports.Read' }),
    'for Graph': await entra.admin.token({ ...alice, scope: 'User.Read' }),
    expired: await entra.admin.forge({ claims: { ...claims, exp: 1 } }),
    'without expiry': await entra.admin.forge({ claims: { ...claims, exp: null } }),
    'of another tenant': await entra.admin.forge({ claims: { ...claims, iss: `${entra.origin}/99999999-9999-4999-8999-999999999999/v2.0` } }),
    'signed by a key of somebody else': await entra.admin.forge({ claims, key: 'unknown' }),
    'without signature': await entra.admin.forge({ claims, key: 'none' }),
    'that is none': 'blue'
  })) {
    t.match(await call(`${orders.url}/api/orders`, token), { status: 401, challenge: 'Bearer error="invalid_token"' }, `a token ${what}`)
  }
  const good = await entra.admin.forge({ claims })
  t.match(await call(`${orders.url}/api/orders`, good), { status: 200 }, 'while the same claims unchanged are good')
})

t.test('the orders API answers 403 when the token lacks the scope', async t => {
  const token = await entra.admin.token({ ...alice, scope: 'api://orders/Orders.Read' })
  const answer = await call(`${orders.url}/api/orders`, token, 'POST')
  t.match(answer, { status: 403, challenge: 'Bearer error="insufficient_scope", scope="Orders.Write"' })
})

t.test('the Graph-like API takes a token for Graph and refuses one for orders', async t => {
  const token = await entra.admin.token({ ...alice, scope: 'User.Read' })
  const { status, body } = await call(`${graph.url}/v1.0/me`, token)
  t.equal(status, 200)
  t.match(body, { displayName: 'Alice Andersson', mail: 'alice@contoso.example', seen: { scp: 'User.Read' } })

  const other = await entra.admin.token({ ...alice, scope: 'api://orders/Orders.Read' })
  t.match(await call(`${graph.url}/v1.0/me`, other), { status: 401, challenge: 'Bearer' })
  t.match(await call(`${graph.url}/v1.0/me`, undefined), { status: 401, challenge: 'Bearer' })
})
