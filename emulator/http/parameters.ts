/** This file reads request parameters: query, form, JSON, and cookies. */
import type { FastifyInstance, FastifyRequest } from 'fastify'

/** Query strings and forms stay URLSearchParams, because a repeated parameter must be seen to be refused. */
export function registerParsers (app: FastifyInstance): void {
  app.removeAllContentTypeParsers()
  app.addContentTypeParser('application/json', { parseAs: 'string' }, (_request, body, done) => {
    try {
      done(null, body === '' ? {} : JSON.parse(body.toString()))
    } catch (error) {
      done(Object.assign(error as Error, { statusCode: 400 }))
    }
  })
  app.addContentTypeParser('application/x-www-form-urlencoded', { parseAs: 'string' }, (_request, body, done) => {
    done(null, new URLSearchParams(body.toString()))
  })
  // Anything else is left unread: the token endpoint then misses its parameters, as at Entra.
  app.addContentTypeParser('*', { parseAs: 'string' }, (_request, _body, done) => { done(null, undefined) })
}

export function queryOf (request: FastifyRequest): URLSearchParams {
  const at = request.url.indexOf('?')
  return new URLSearchParams(at < 0 ? '' : request.url.slice(at + 1))
}

/** The form body; empty when there is none. */
export function formOf (request: FastifyRequest): URLSearchParams {
  return request.body instanceof URLSearchParams ? request.body : new URLSearchParams()
}

/** Query and form together, as /authorize and /logout take GET and POST alike; the form wins. */
export function parametersOf (request: FastifyRequest): Record<string, string> {
  return { ...Object.fromEntries(queryOf(request)), ...Object.fromEntries(formOf(request)) }
}

/** A `:name` segment of the route. */
export function segmentOf (request: FastifyRequest, name: string): string {
  return (request.params as Record<string, string>)[name] ?? ''
}

/** For the request log: also the top level of a JSON body. */
export function loggedParametersOf (request: FastifyRequest): Record<string, string> {
  const { body } = request
  const isJson = typeof body === 'object' && body !== null && !(body instanceof URLSearchParams)
  const members = isJson ? Object.entries(body).map(([name, value]) => [name, typeof value === 'string' ? value : JSON.stringify(value)]) : []
  return { ...parametersOf(request), ...Object.fromEntries(members) }
}

/** Cookies of the request. Gateway and emulator share `localhost`, so foreign ones come along. */
export function cookiesOf (request: FastifyRequest): Map<string, string> {
  const pairs = (request.headers.cookie ?? '').split(';').map((pair) => pair.trim().split('='))
  return new Map(pairs.map(([name = '', ...value]) => [name, decode(value.join('='))]))
}

function decode (value: string): string {
  try {
    return decodeURIComponent(value)
  } catch {
    return value // a foreign cookie need not be URL-encoded
  }
}
