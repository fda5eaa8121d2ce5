/**
 * This file stands in for Microsoft Graph: the profile of the user whose token it is called with.
 *
 * It does not check the token itself. Graph's tokens are signed so that they verify at Graph and nowhere else, and the
 * Graph of the demo's directory is in the emulator: whatever that refuses is refused here with the same words.
 */
import { decodeJwt } from 'jose'
import { Agent, request as send } from 'undici'
import { createApp, listen, type Running } from './app.ts'
import { describeToken } from './bearer.ts'
import type { Issuer } from './entra-keys.ts'

/** Serves `/v1.0/me`, and says beside the profile what the token was for. */
export async function startGraphApi (port: number, { origin, caPem }: Issuer): Promise<Running> {
  const dispatcher = new Agent({ connect: { ca: caPem } })
  const app = createApp()
  app.addHook('onClose', async () => { await dispatcher.close() })
  app.get('/v1.0/me', async (request, reply) => {
    const { authorization = '' } = request.headers
    const answer = await send(`${origin}/v1.0/me`, { headers: { authorization }, dispatcher })
    const body = await answer.body.json() as object
    const challenge = answer.headers['www-authenticate']
    if (challenge !== undefined) reply.header('www-authenticate', challenge)
    if (answer.statusCode !== 200) return await reply.code(answer.statusCode).send(body)
    return { ...body, seen: describeToken('https://graph.microsoft.com', decodeJwt(authorization.replace(/^Bearer /i, ''))) }
  })
  return await listen(app, port)
}
