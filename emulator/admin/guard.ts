/** This file keeps everybody out of the admin API but programs on this machine, or holders of its token. */
import { timingSafeEqual, createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { World } from '../world.ts'

/**
 * A web page in a browser of this machine is a stranger too: it comes with an `Origin`, or, after DNS rebinding, with
 * its own name in `Host`.
 */
export async function refuseStrangers (request: FastifyRequest, reply: FastifyReply, world: World): Promise<void> {
  const isWelcome = world.adminToken === null ? isLocal(request, world) : hasToken(request, world.adminToken)
  if (!isWelcome) await reply.code(403).send({ error: 'the admin API takes calls of local programs, or with its bearer token' })
}

function isLocal (request: FastifyRequest, world: World): boolean {
  const { origin } = request.headers
  const isForeignPage = origin !== undefined && origin !== world.origin
  return !isForeignPage && isLoopbackAddress(request.ip) && isLoopbackHost(request.headers.host ?? '', world)
}

function isLoopbackHost (host: string, world: World): boolean {
  return host === new URL(world.origin).host || /^(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(host)
}

export function isLoopbackAddress (address: string): boolean {
  return address === '::1' || /^(::ffff:)?127\./.test(address) || address === 'localhost'
}

function hasToken (request: FastifyRequest, token: string): boolean {
  const digest = (text: string) => createHash('sha256').update(text).digest()
  return timingSafeEqual(digest(request.headers.authorization ?? ''), digest(`Bearer ${token}`))
}
