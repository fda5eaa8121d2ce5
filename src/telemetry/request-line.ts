/** This file is the line that the log has for each request. */
import type { FastifyRequest } from 'fastify'
import type { CutOffBy } from './cut-off.ts'
import { quoted } from './log.ts'
import type { TokenSource } from './metrics.ts'

/** What the request itself does not know. */
export interface Answered {
  readonly status: number
  /** From the arrival of the request to the end of its answer, in milliseconds. */
  readonly ms: number
  readonly cutOff: CutOffBy | undefined
  readonly user: string | undefined
}

/** Its fields as they stand in the line. Queries, header values and bodies are not among them. */
export function requestLine (request: FastifyRequest, { status, ms, cutOff, user }: Answered): string {
  const route = request.routeId ?? request.routeOptions.config.route ?? request.routeOptions.url
  return `,"requestId":${quoted(request.id)},"method":"${request.method}"` +
    text('path', pathOf(request.raw.url)) + text('route', route) + text('user', user) + text('token', request.tokenSource) +
    `,"status":${status},"ms":${Math.round(ms * 10) / 10}` + (cutOff === undefined ? '' : `,"cutOff":"${cutOff}"`)
}

function text (name: string, value: string | undefined): string {
  return value === undefined ? '' : `,"${name}":${quoted(value)}`
}

function pathOf (url: string | undefined): string | undefined {
  const mark = url?.indexOf('?') ?? -1
  return mark < 0 ? url : url!.slice(0, mark)
}

declare module 'fastify' {
  interface FastifyContextConfig { route?: string }
  interface FastifyRequest {
    /** The route of a request that was proxied: `routeOptions` makes an object of everything there is about it. */
    routeId: string | undefined
    /** Where the request's token came from: memory, the account's record, the provider, or a sign-in. */
    tokenSource: TokenSource | undefined
  }
}
