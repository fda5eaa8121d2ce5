/** This file knows the answers that did not get to their end: who cut them off, and what status they are recorded with. */
import type { FastifyReply } from 'fastify'

/** The client left, the upstream broke off, or the gateway did: the session was over, or its own time. */
export type CutOffBy = 'client' | 'upstream' | 'gateway'

declare module 'node:http' {
  interface ServerResponse {
    /** Who is about to cut it off; undefined for the client, which nobody announces. */
    cutOffBy?: CutOffBy
  }
}

/** Nginx's, for a client that closed: no answer has it. */
const noAnswer = 499

/** Of an answer that is over. @returns undefined when it got to its end */
export function cutOffBy ({ raw, request }: FastifyReply): CutOffBy | undefined {
  return request.raw.socket.destroyed ? raw.cutOffBy ?? 'client' : undefined
}

/** As it was sent, also when what came after it was cut off. */
export function statusOf ({ raw }: FastifyReply): number {
  return raw.headersSent ? raw.statusCode : noAnswer
}
