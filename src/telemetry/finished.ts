/**
 * This file is what happens when the last byte of an answer is out, or never will be: its request gets its line in the log,
 * and is counted.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { cutOffBy, statusOf } from './cut-off.ts'
import { type Logger, writeInfo } from './log.ts'
import type { Metrics } from './metrics.ts'
import { requestLine } from './request-line.ts'
import { countRequest } from './request-metrics.ts'
import { createSampler, type Sampling } from './sampling.ts'

export interface FinishedOptions {
  readonly log: Logger
  readonly metrics: Metrics
  /** A name that tells users apart without telling who they are; undefined for nobody. */
  readonly userOf: (request: FastifyRequest) => string | undefined
  readonly sampling: Sampling
}

/** An onResponse hook. All requests are counted, also those that leave no line. */
export function recordRequest ({ log, metrics, userOf, sampling }: FinishedOptions) {
  const sample = createSampler(sampling)
  return function recordOneRequest (request: FastifyRequest, reply: FastifyReply, done: () => void): void {
    const ms = reply.elapsedTime
    const status = statusOf(reply)
    const cutOff = cutOffBy(reply)
    const ofSample = sample === undefined || cutOff !== undefined ? '' : sample(reply, ms)
    if (ofSample !== undefined && log.isLevelEnabled('info')) {
      writeInfo(log, requestLine(request, { status, ms, cutOff, user: userOf(request) }) + ofSample)
    }
    countRequest(metrics, { request, reply, status, seconds: ms / 1000 })
    done()
  }
}
