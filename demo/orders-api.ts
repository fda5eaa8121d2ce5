/**
 * This file is the orders API: a service that trusts nobody but Entra ID, and so checks every token itself.
 */
import { jwtVerify } from 'jose'
import { createApp, listen, type Running } from './app.ts'
import { answerRefusal, describeToken, requireToken, type Verify } from './bearer.ts'
import { createSigningKeys, type Issuer } from './entra-keys.ts'
import { createOrderBook, type NewOrder } from './order-book.ts'

const appIdUri = 'api://orders'
/** A v2 access token names its API by client id, however the scope was written. */
const clientId = '44444444-4444-4444-8444-444444444444'

const newOrderSchema = {
  type: 'object',
  required: ['item', 'quantity'],
  properties: { item: { type: 'string', minLength: 1, maxLength: 60 }, quantity: { type: 'integer', minimum: 1, maximum: 999 } }
}

/**
 * Lists orders with `Orders.Read`; creates and cancels them with `Orders.Write`. A token counts when it is signed by the
 * tenant, meant for this API and not expired.
 */
export async function startOrdersApi (port: number, issuer: Issuer): Promise<Running> {
  const keys = createSigningKeys(issuer)
  const verify: Verify = async token => {
    const { payload } = await jwtVerify(token, keys.keyOf, {
      issuer: `${issuer.origin}/${issuer.tenantId}/v2.0`,
      audience: clientId,
      algorithms: ['RS256'],
      requiredClaims: ['exp', 'oid', 'scp']
    })
    return payload
  }
  const app = createApp()
  app.addHook('onClose', keys.close)
  app.setErrorHandler(answerRefusal)
  addRoutes(app, verify)
  return await listen(app, port)
}

function addRoutes (app: ReturnType<typeof createApp>, verify: Verify): void {
  const book = createOrderBook()

  app.get('/api/orders', async request => {
    const claims = await requireToken(request, 'Orders.Read', verify)
    return { orders: book.list(String(claims.oid)), seen: describeToken(appIdUri, claims) }
  })

  app.post<{ Body: NewOrder }>('/api/orders', { schema: { body: newOrderSchema } }, async (request, reply) => {
    const claims = await requireToken(request, 'Orders.Write', verify)
    const order = book.add(String(claims.oid), request.body)
    return await reply.code(201).send({ order, seen: describeToken(appIdUri, claims) })
  })

  app.delete<{ Params: { id: string } }>('/api/orders/:id', async (request, reply) => {
    const claims = await requireToken(request, 'Orders.Write', verify)
    const isCancelled = book.cancel(String(claims.oid), Number(request.params.id))
    return isCancelled ? { seen: describeToken(appIdUri, claims) } : await reply.code(404).send({ error: 'no such order' })
  })
}
