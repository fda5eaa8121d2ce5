/**
 * This file says which host names a gateway answers for.
 */
import type { Config } from '../config/schema.ts'

const loopback = ['localhost', '127.0.0.1', '[::1]']

/** The public URL's host and those that routes name. A gateway on loopback answers to every name of loopback. */
export function knownHosts ({ server, routes }: Pick<Config, 'server' | 'routes'>): (host: string) => boolean {
  const { hostname } = new URL(server.publicUrl)
  const hosts = new Set([hostname, ...routes.flatMap(route => route.hosts ?? []).map(host => host.toLowerCase())])
  if (loopback.includes(hostname)) for (const name of loopback) hosts.add(name)
  return host => hosts.has(host)
}
