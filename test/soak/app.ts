/**
 * This file is the application of the soak. It verifies the token of every request, for the audience of the path, and says
 * whose it is; it can be told to fail.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import { createVerifier } from '../support/jwt.ts'
import { apis } from '../support/replicas.ts'

export interface App {
  readonly port: number
  /** Requests whose token was none, or another API's. */
  readonly wrong: readonly string[]
  behave (how: 'well' | 'overloaded' | 'slowly'): void
}

const slowMs = 400
const eventEveryMs = 300

export async function startApp (t: Test, entra: Emulator): Promise<App> {
  const wrong: string[] = []
  const objectIdOf = createJudge(entra)
  let behaviour: Parameters<App['behave']>[0] = 'well'

  async function answer (request: IncomingMessage, response: ServerResponse): Promise<void> {
    request.resume()
    if (behaviour === 'overloaded') {
      response.writeHead(503).end()
      return
    }
    const oid = await objectIdOf(request)
    if (behaviour === 'slowly') await new Promise(resolve => { setTimeout(resolve, slowMs) })
    if (request.url!.startsWith('/events/')) sendEvents(response, oid)
    else response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ oid }))
  }

  const server = createServer((request, response) => {
    answer(request, response).catch(error => {
      wrong.push(`${request.url}: ${String(error)}`)
      response.writeHead(500).end()
    })
  })
  server.keepAliveTimeout = 72_000
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: (server.address() as AddressInfo).port, wrong, behave (how) { behaviour = how } }
}

function sendEvents (response: ServerResponse, oid: string): void {
  response.writeHead(200, { 'content-type': 'text/event-stream' })
  const timer = setInterval(() => { response.write(`data: ${oid}\n\n`) }, eventEveryMs)
  response.once('close', () => { clearInterval(timer) })
}

/** @returns whose token a request carries; throws unless it is a token of the emulator for the API of the path */
function createJudge (entra: Emulator): (request: IncomingMessage) => Promise<string> {
  const judged = new Map<string, Promise<{ oid: string, aud: string }>>()
  let verifier = createVerifier(entra)

  async function judge (authorization: string): Promise<{ oid: string, aud: string }> {
    const verify = await verifier
    return await verify(authorization).catch(async () => {
      // The keys may have been rotated.
      verifier = createVerifier(entra)
      return await (await verifier)(authorization)
    }) as { oid: string, aud: string }
  }

  return async ({ url = '', headers: { authorization = '' } }) => {
    const found = judged.get(authorization) ?? judge(authorization)
    judged.set(authorization, found)
    const { oid, aud } = await found
    const api = apis.find(({ name }) => url.startsWith(`/${name}/`)) ?? apis[0]!
    if (aud !== api.audience) throw new Error(`a token for ${aud}`)
    return oid
  }
}
