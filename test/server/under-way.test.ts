/** This file checks that each request is over once, also when its connection has closed before anybody looked at it. */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { fastify } from 'fastify'
import t, { type Test } from 'tap'
import { countUnderWay } from '../../src/server/under-way.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { until } from '../support/redis.ts'

/** @param before - what happens to a request before the gateway gets it */
async function listen (t: Test, before: (request: IncomingMessage) => Promise<unknown>) {
  const underWay = countUnderWay()
  const over: string[] = []
  const app = fastify()
  app.addHook('onResponse', underWay.leave)
  app.addHook('onResponse', async ({ url }) => { over.push(url) })
  app.get('/answered', async () => 'x')
  app.get('/waiting', (_request, reply) => { reply.hijack() })
  await app.ready()
  const server = createServer((request, response: ServerResponse) => {
    before(request).then(() => {
      underWay.add(response)
      app.routing(request, response)
    }, error => { t.error(error) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    await app.close()
    await new Promise(resolve => { server.close(resolve) })
  })
  return { underWay, over, connection: await connectRaw(t, (server.address() as AddressInfo).port) }
}

t.test('a connection is listened to once, however many requests it carries, and then all that are left are over', async t => {
  let listeners = 0
  let requests = 0
  const { underWay, over, connection } = await listen(t, async ({ socket }) => {
    requests++
    listeners = socket.listenerCount('close')
  })
  const ask = async (target: string): Promise<void> => { connection.send(rawRequest({ target })) }
  await ask('/answered')
  await until('the first', () => over.length === 1)
  const once = listeners
  for (let i = 0; i < 20; i++) await ask('/answered')
  await until('the others', () => over.length === 21)
  t.equal(listeners, once + 1, 'the first came when there was none')
  await ask('/waiting')
  await ask('/answered')
  await until('the last', () => requests === 23)
  connection.socket.destroy()
  await underWay.none()
  t.same(over.slice(21).sort(), ['/answered', '/waiting'])
})

t.test('what comes from a connection that has closed is over, too', async t => {
  for (const target of ['/waiting', '/answered']) {
    const { underWay, over, connection } = await listen(t, async ({ socket }) => {
      await new Promise(resolve => { socket.destroy().once('close', resolve) })
    })
    connection.send(rawRequest({ target }))
    await until(`the end of ${target}`, () => over.length > 0)
    await underWay.none()
    t.same(over, [target])
  }
})
