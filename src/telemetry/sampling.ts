/**
 * This file leaves out lines of the log where the config asks for that: of requests that went well, which is nearly all of
 * them, and of no others.
 */
import type { FastifyReply } from 'fastify'

export interface Sampling {
  /** How many of the lines are written, from 0 to 100. */
  readonly samplePercent: number
  /** Requests that take this long always have their line. */
  readonly slowSeconds: number
}

/**
 * What the line of a request says about the sample that it is of: nothing when it stands for itself alone. Undefined when there
 * is to be no line.
 */
export type Sampler = (reply: FastifyReply, ms: number) => string | undefined

/**
 * By chance, and not by the request's id: that may come from outside, and nobody should be able to choose to leave no trace.
 *
 * @returns undefined when every request has its line
 */
export function createSampler ({ samplePercent, slowSeconds }: Sampling, random = Math.random): Sampler | undefined {
  if (samplePercent === 100) return undefined
  const slowMs = slowSeconds * 1000
  const field = `,"samplePercent":${samplePercent}`
  return (reply, ms) => {
    if (ms >= slowMs || !isSuccess(reply)) return ''
    return random() * 100 < samplePercent ? field : undefined
  }
}

/** Neither an error, nor a refusal that leads to the sign-in. */
function isSuccess (reply: FastifyReply): boolean {
  return reply.raw.statusCode < 400 && !reply.hasHeader('scopegate-error')
}
