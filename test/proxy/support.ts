/** This file makes compiled routes and raw header sections for tests of the pure files of the proxy. */
import type { IncomingMessage } from 'node:http'
import { compileConfig, type CompiledRoute } from '../../src/config/compile.ts'
import { isOwnCookie } from '../../src/session/cookie.ts'
import { configText, mustLoad } from '../config/support.ts'

/** The route of a config with one route. @param settings - of the route, in YAML flow style */
export function routeOf (settings = '', { path = '/*', url = 'https://app.example' }: { path?: string, url?: string } = {}): CompiledRoute {
  const [route] = compileConfig(mustLoad(configText({
    upstreams: `upstreams: { app: { url: "${url}" } }`,
    routes: `routes:\n  - { path: "${path}", upstream: app${settings === '' ? '' : `, ${settings}`} }`
  }))).routes
  return route!
}

export const ownCookie = isOwnCookie({ name: '__Host-scopegate', secure: true, sameSite: 'lax' })

/** A request as Node parses it, as far as header writers look: raw fields, the joined Connection field, the peer. */
export function requestWith (fields: ReadonlyArray<readonly [name: string, value: string]>, peer = '192.0.2.7'): IncomingMessage {
  const connection = fields.filter(([name]) => name.toLowerCase() === 'connection').map(([, value]) => value)
  return {
    rawHeaders: fields.flat(),
    headers: connection.length === 0 ? {} : { connection: connection.join(', ') },
    socket: { remoteAddress: peer }
  } as unknown as IncomingMessage
}

/** A flat list as pairs with lower-case names. */
export function pairs (flat: readonly string[]): Array<[string, string]> {
  return Array.from({ length: flat.length / 2 }, (_, i) => [flat[2 * i]!.toLowerCase(), flat[2 * i + 1]!])
}

/** All values of a field, in order. */
export function valuesOf (flat: readonly string[], name: string): string[] {
  return pairs(flat).filter(([one]) => one === name).map(([, value]) => value)
}
