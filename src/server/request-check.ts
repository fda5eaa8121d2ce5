/**
 * This file checks a request before any route is looked for, and finds its canonical target.
 */
import type { IncomingMessage } from 'node:http'
import { METHODS } from '../config/schema-routes.ts'
import { parseTarget, type RefusedTarget, type Target } from '../proxy/target.ts'
import { readFields } from './fields.ts'

/** What is looked at of a request. */
export type Checked = Pick<IncomingMessage, 'method' | 'url' | 'httpVersionMajor' | 'headers' | 'rawHeaders'>

const methods: ReadonlySet<string> = new Set(METHODS)

/** Everything about a request that can be refused without knowing a route. */
export function checkRequest (request: Checked, isKnownHost: (host: string) => boolean): Target | Refusal {
  if (!methods.has(request.method ?? '')) return { kind: 'refused', status: 405, why: 'a method that no route can list' }
  if (request.httpVersionMajor !== 1) return { kind: 'refused', status: 505, why: 'another version than HTTP/1' }
  const coding = request.headers['transfer-encoding']
  if (coding !== undefined && coding.toLowerCase() !== 'chunked') {
    return { kind: 'refused', status: 400, why: 'a transfer coding besides chunked' }
  }
  const target = parseTarget(request.url ?? '')
  if (target.kind === 'refused') return target
  const fields = readFields(request.rawHeaders)
  if (fields.kind === 'refused') return fields
  const host = target.authority ?? fields.host
  const name = hostName(host)
  if (name === undefined) return { kind: 'refused', status: 400, why: 'a malformed host' }
  if (!isKnownHost(name)) return { kind: 'refused', status: 421, why: 'a foreign host' }
  if (target.authority !== undefined || host !== name) request.headers.host = name
  return target
}

export interface Refusal extends Omit<RefusedTarget, 'status'> {
  readonly status: 400 | 405 | 414 | 417 | 421 | 431 | 505
}

/** Clients can send any number of hosts; what is remembered about them is bounded. */
const maxRememberedHosts = 1000
const hostNames = new Map<string, string>()

/** A host without its port, in lower case; undefined when it is malformed. */
function hostName (host: string): string | undefined {
  const known = hostNames.get(host)
  if (known !== undefined || !isHost(host)) return known
  const name = host.replace(/:[0-9]*$/, '').replace(/\.$/, '').toLowerCase()
  if (hostNames.size < maxRememberedHosts) hostNames.set(host, name)
  return name
}

/** RFC 3986, section 3.2.2: a registered name, an IPv4 address or a bracketed IPv6 address, and a port. */
function isHost (text: string): boolean {
  return /^(?:\[[0-9A-Fa-f:.]{2,45}\]|[A-Za-z0-9._-]{1,255})(?::[0-9]{1,5})?$/.test(text)
}
