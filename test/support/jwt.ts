/**
 * This file verifies the tokens that upstreams saw, the way an API does: against the emulator's published keys.
 */
import { createLocalJWKSet, type JWTPayload, jwtVerify } from 'jose'
import { Agent, request } from 'undici'
import type { Emulator } from '../../emulator/start.ts'
import { tenant } from './gateway.ts'

export type VerifyToken = (authorization: string | undefined) => Promise<JWTPayload>

/** @returns a function that throws unless the header field holds a token of this emulator */
export async function createVerifier (entra: Pick<Emulator, 'origin' | 'caPem'>): Promise<VerifyToken> {
  const dispatcher = new Agent({ connect: { ca: entra.caPem } })
  const response = await request(`${entra.origin}/${tenant}/discovery/v2.0/keys`, { dispatcher })
  const keys = createLocalJWKSet(await response.body.json() as never)
  await dispatcher.destroy()
  return async authorization => {
    const { payload } = await jwtVerify(authorization?.replace(/^Bearer /, '') ?? '', keys, { algorithms: ['RS256'] })
    return payload
  }
}
