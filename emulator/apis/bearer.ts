/** This file reads the access token of a call to one of the emulator's own APIs. */
import type { FastifyRequest } from 'fastify'
import type { User } from '../directory/directory.ts'
import { verifyToken, type Claims } from '../tokens/sign.ts'
import type { World } from '../world.ts'

export interface Caller {
  readonly claims: Claims
  /** Absent for an app-only token. */
  readonly user: User | undefined
  readonly scopes: readonly string[]
}

/** @returns undefined when there is no token, or none of ours that is valid now */
export async function readBearer (request: FastifyRequest, world: World): Promise<Caller | undefined> {
  const [, token] = /^Bearer (\S+)$/i.exec(request.headers.authorization ?? '') ?? []
  if (token === undefined) return undefined
  try {
    const claims = await verifyToken(token, world)
    const user = world.state.tenants.find(({ id }) => id === claims.tid)?.users.find(({ oid }) => oid === claims.oid)
    return { claims, user, scopes: typeof claims.scp === 'string' ? claims.scp.split(' ') : [] }
  } catch {
    return undefined // whatever is wrong with a token, the API only says 401
  }
}
