/**
 * This file checks a request's header section as it came, before Node's merged view of it is believed.
 */
import { createDecisions } from '../proxy/decisions.ts'

/** The one Host of a request, or why its header section is refused. */
export type Fields =
  | { readonly kind: 'fields', readonly host: string }
  | { readonly kind: 'refused', readonly status: 400 | 431, readonly why: string }

/** More fields than any browser sends; the header section's size has its own limit. */
const maxFields = 100

/**
 * Fields that something here decides by, or that frame the message: twice means two answers to one question
 * (security.md, H3). Node keeps the first of some and joins others.
 */
const singles = [
  'host', 'authorization', 'origin', 'referer', 'content-length', 'content-type', 'expect', 'transfer-encoding', 'upgrade',
  'sec-fetch-site', 'sec-fetch-mode', 'sec-fetch-dest', 'x-requested-with', 'x-forwarded-host', 'x-forwarded-proto', 'cookie'
]

/** One bit for each of them; none for other names. */
const bits = new Map(singles.map((name, i) => [name, 1 << i]))
const hostBit = bits.get('host')!

const bitOf = createDecisions(name => bits.get(name) ?? 0).about(new Set())

/** @param raw - names and values in turn, as `IncomingMessage.rawHeaders` has them */
export function readFields (raw: readonly string[]): Fields {
  if (raw.length > 2 * maxFields) return { kind: 'refused', status: 431, why: 'too many fields' }
  let host: string | undefined
  let seen = 0
  for (let i = 0; i < raw.length; i += 2) {
    const bit = bitOf(raw[i]!)
    if ((seen & bit) !== 0) return { kind: 'refused', status: 400, why: `more than one ${raw[i]!.toLowerCase()}` }
    seen |= bit
    if (bit === hostBit) host = raw[i + 1]!
  }
  return host === undefined ? { kind: 'refused', status: 400, why: 'no host' } : { kind: 'fields', host }
}
