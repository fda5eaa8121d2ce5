/** This file counts requests, their tokens and sign-ins, when their answer is over. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import type { Metrics } from './metrics.ts'

declare module 'fastify' {
  interface FastifyRequest {
    /** Why a sign-in was asked for; undefined when none was. */
    signInReason: string | undefined
    /** Whether a token was wanted that was not ready. */
    wantsToken: boolean | undefined
  }
}

export interface Finished {
  readonly request: FastifyRequest
  readonly reply: FastifyReply
  readonly status: number
  /** From the arrival of the request to the end of its answer. */
  readonly seconds: number
}

/** Those of RFC 9110 and 5789 that are answered. Node's parser knows twice as many more, and each would be a series per route. */
const methods: ReadonlySet<string> = new Set(['GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'])

export function countRequest (metrics: Metrics, { request, reply, status, seconds }: Finished): void {
  const route = request.routeId ?? request.routeOptions.config.route ?? request.routeOptions.url ?? 'none'
  const method = methods.has(request.method) ? request.method : 'other'
  metrics.request({ route, method, status, seconds })
  if (route === '/.auth/callback') countSignIn(metrics, request, reply)
  countToken(metrics, request, reply)
}

/** A round that only led to another one is none, nor is an administrator's consent. */
function countSignIn (metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void {
  const outcome = request.tokenSource === 'interactive' ? 'ok' : request.signInReason ?? codeOf(reply)
  if (outcome !== undefined) metrics.signIn(outcome)
}

/** What came of the wish for a token: also that a sign-in is needed, and faults. */
function countToken (metrics: Metrics, request: FastifyRequest, reply: FastifyReply): void {
  const { tokenSource, wantsToken, signInReason } = request
  if (tokenSource !== undefined) metrics.token(tokenSource, 'ok')
  else if (wantsToken === true && signInReason !== undefined) metrics.token('interactive', signInReason)
  else if (wantsToken === true) metrics.token('refresh', codeOf(reply) ?? 'aborted')
}

function codeOf (reply: FastifyReply): string | undefined {
  const code = reply.getHeader('scopegate-error')
  return typeof code === 'string' ? code : undefined
}
