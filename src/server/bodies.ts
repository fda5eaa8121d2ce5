/**
 * This file keeps Fastify from reading bodies: the gateway's endpoints need none, and what is proxied is not ours to parse.
 */
import type { FastifyInstance, FastifyReply, FastifyRequest } from 'fastify'

export function keepBodiesOpaque (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('*', (_request, payload, done) => { done(null, payload) })
  app.addHook('onRequest', hideContentType)
}

/**
 * Fastify answers 415 to a media type that it cannot read, parser or not. The upstream gets the field as it came, from the
 * raw header list.
 */
function hideContentType (request: FastifyRequest, _reply: FastifyReply, done: () => void): void {
  const { headers } = request.raw
  if (headers['content-type'] !== undefined) headers['content-type'] = 'application/octet-stream'
  done()
}
