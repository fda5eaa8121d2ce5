/**
 * This file is a grammar of hostile clients: from a seed, one connection after the other that nobody with good intentions
 * would make. The same seed gives the same clients.
 */
import { handshakeFields } from './websocket.ts'
import { rawRequest } from './raw.ts'

/** What one client does on a connection of its own. */
export interface HostileClient {
  readonly kind: string
  /** Latin-1. */
  readonly bytes: string
  /** Requests in these bytes, as far as the client is concerned. */
  readonly requests: number
  /** When it goes, answered or not; undefined: it has sent whole requests, and waits until all are answered. */
  readonly leavesAfterMs: number | undefined
}

/** A random choice that is the same for the same seed. */
export interface Chance {
  below (count: number): number
  pick<T> (all: readonly T[]): T
  /** Bytes of every kind, as Latin-1. */
  noise (maxLength: number): string
}

/** mulberry32, by Tommy Ettinger (public domain). */
export function createChance (seed: number): Chance {
  let state = seed
  function next (): number {
    state = (state + 0x6d2b79f5) | 0
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state)
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
  const below = (count: number): number => Math.floor(next() * count)
  return {
    below,
    pick: all => all[below(all.length)]!,
    noise: maxLength => Array.from({ length: below(maxLength) }, () => String.fromCharCode(below(256))).join('')
  }
}

/** What a hostile client knows. */
export interface Known {
  readonly host: string
  /** A Cookie field value that is good. */
  readonly cookie: string
  /** Goes wherever the log must not look: queries, header values, cookies, bodies. */
  readonly canary: string
}

type Line = Omit<HostileClient, 'kind'>
type Kind = (chance: Chance, known: Known) => Line

const whole = (bytes: string): Line => ({ bytes, requests: 1, leavesAfterMs: undefined })
const left = ({ below }: Chance, bytes: string): Line => ({ bytes, requests: 1, leavesAfterMs: below(40) })

const segments = ['..', '%2e%2e', '%252e', '.', '', 'admin', 'public', '%2f', '%5c', '\\', '%00', ';x', '%u002e', '%', '%zz', '%c0%ae',
  'ADM%49N', 'ä', ' ', '#', '?', '@', '//', 'http:', 'x'.repeat(3000), '<script>', '%0d%0aX-Y:1', '{{7*7}}', '$ref']
const methods = ['GET', 'HEAD', 'POST', 'PUT', 'DELETE', 'PATCH', 'OPTIONS', 'TRACE', 'CONNECT', 'PROPFIND', 'get', 'G T', 'PRI', '']
const names = ['X-Forwarded-For', 'X-Forwarded-Host', 'X-Forwarded-Uri', 'Forwarded', 'X-Original-URL', 'X-MS-CLIENT-PRINCIPAL',
  'x_ms_client_principal', 'Authorization', 'Host', 'Cookie', 'Connection', 'Keep-Alive', 'TE', 'Trailer', 'Expect', 'Content-Type',
  'Accept', 'Origin', 'Referer', 'Sec-Fetch-Site', 'Sec-Fetch-Mode', 'Range', 'If-Match', 'X-HTTP-Method-Override', 'Max-Forwards', '__proto__',
  'constructor', 'Content-Encoding', 'traceparent', 'X-Request-Id', 'Bad Name', 'Bad:Name', '', 'Upgrade', 'HTTP2-Settings', 'x'.repeat(200)]
const paths = ['/', '/public/x', '/admin/x', '/x', '/live/x', '/.auth/me', '/.auth/login', '/.auth/session', '/.auth/account', '/.auth/check', '/.auth/callback']
const returnUrls = ['//evil.example', '/\\evil.example', 'https://evil.example', '/%2f%2fevil.example', 'javascript:alert(1)', '/\t/evil.example',
  '/x?y=/../..', '/%00', '%', '/.auth/login?post_login_redirect_uri=/.auth/login', `/${'x/'.repeat(2000)}`, '/x%0d%0aSet-Cookie:a=b', '\u00ff']

/** Something that a field's value must not be, or may be and means nothing good. */
function value (chance: Chance, { canary, host }: Known): string {
  const { pick, below } = chance
  return pick([canary, '', ' ', `Bearer ${canary}`, 'Bearer eyJhbGciOiJub25lIn0.e30.', 'Basic !!!', 'chunked', 'close, host, authorization', '100-continue',
    'text/html', 'null', host, 'cross-site', 'navigate', 'bytes=0-,-1', '127.0.0.1, '.repeat(below(200)), 'ü\u0001', 'a\tb', '\u0000', '9'.repeat(400),
    'jndi:ldap://x', 'gzip, gzip, br', 'x'.repeat(below(18_000))])
}

function fields (chance: Chance, known: Known, most: number): Array<readonly [string, string]> {
  return Array.from({ length: chance.below(most) }, () => [chance.pick(names), value(chance, known)] as const)
}

/** Parts in the place of a whole: cookies, states and tokens that are nearly right. */
function spoilt (chance: Chance, text: string): string {
  const at = chance.below(text.length)
  return chance.pick([text.slice(0, at), text + text, text.slice(0, at) + 'A' + text.slice(at + 1), text.slice(at), `${text}.`, text.toUpperCase()])
}

function cookieOf (chance: Chance, { cookie, canary }: Known): string {
  const { pick, below, noise } = chance
  return pick([spoilt(chance, cookie), `${cookie}; ${cookie}`, `scopegate=${canary}`, `scopegate=k1.${canary}`, `=${cookie}`, `scopegate.t.x=${canary}; ${cookie}x`,
    'a=b; '.repeat(below(500)), `${cookie};`.repeat(3), `scopegate=${noise(50).replaceAll(/[\r\n]/g, '')}`, '; ; ;', 'scopegate', `scopegate="${canary}"`])
}

const forms = ['state', 'code', 'error', 'error_description', 'error_uri', 'iss', 'session_state', 'client_info', 'id_token', 'logout_token', 'sid']

function form (chance: Chance, known: Known): string {
  const { below, pick } = chance
  return Array.from({ length: below(8) }, () => `${pick(forms)}=${encodeURIComponent(value(chance, known)).slice(0, 3000)}`).join(pick(['&', '&&', ';']))
}

const handshakes: ReadonlyArray<Record<string, string>> = [
  {}, { 'Sec-WebSocket-Version': '12' }, { 'Sec-WebSocket-Key': 'x' }, { Upgrade: 'h2c' }, { Upgrade: 'a, b' }, { Connection: 'close' }
]

const sites = ['Sec-Fetch-Site: cross-site', 'Sec-Fetch-Site: same-site', 'Origin: https://evil.example', 'Origin: null']

/** Fields that say where a body ends, in ways that two servers could read differently. */
const framings = ['Transfer-Encoding: chunked\r\nContent-Length: 3', 'Content-Length: -1', 'Content-Length: 1\r\nContent-Length: 2',
  'Content-Length: 0x10', 'Content-Length: 99999999999999999999', 'Transfer-Encoding: gzip, chunked', 'Transfer-Encoding: chunked, chunked',
  'Transfer-Encoding : chunked', 'Transfer-Encoding: chunked', 'Transfer-Encoding:\x0bchunked', ' Folded: x']
const brokenBodies = ['0\r\n\r\n', 'zz\r\n', '-1\r\n', 'FFFFFFFFFFFFFFFFF\r\n', '1;x=y\r\na\r\n0\r\nX: y\r\n\r\n', '1\na\n0\n\n', 'abc',
  'GET /admin/x HTTP/1.1\r\n\r\n']
const otherProtocols = ['', 'GET ', '\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03', 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'GET /\r\n',
  'GET / HTTP/9.9\r\n\r\n', '\r\n\r\n\r\n']

const urlEncoded = ['Content-Type', 'application/x-www-form-urlencoded'] as const
const sameOrigin = ['Sec-Fetch-Site', 'same-origin'] as const
const navigation = [['Sec-Fetch-Mode', 'navigate'], ['Sec-Fetch-Dest', 'document'], ['Accept', 'text/html']] as const

const kinds: Readonly<Record<string, Kind>> = {
  target: (chance, { host }) => {
    const path = Array.from({ length: chance.below(6) }, () => chance.pick(segments)).join('/')
    return whole(rawRequest({ target: chance.pick(['', '/', 'http://other.example/', '*']) + path, host }))
  },
  method: (chance, { host }) => whole(rawRequest({
    // An answer to HEAD looks like one with a body: the connection's end says that it is over.
    method: chance.pick(methods), target: chance.pick(paths), host, fields: [['Content-Length', '0'], ['Connection', 'close']]
  })),
  // Some of these are broken, others announce a body or want an interim answer: there is no telling what to wait for.
  fields: (chance, known) => left(chance, rawRequest({
    target: chance.pick(paths), host: known.host, fields: fields(chance, known, chance.pick([4, 12, 130]))
  })),
  query: (chance, { host, canary }) => whole(rawRequest({
    target: `${chance.pick(paths)}?${canary}&${encodeURIComponent(chance.noise(300))}&__proto__[x]=1`,
    host,
    fields: chance.pick([[], navigation])
  })),
  cookies: (chance, known) => whole(rawRequest({
    target: chance.pick(paths), host: known.host, cookie: cookieOf(chance, known), fields: chance.pick([[], navigation])
  })),
  callback: (chance, known) => whole(rawRequest({
    target: `/.auth/callback?${form(chance, known)}`, host: known.host, cookie: cookieOf(chance, known), fields: navigation
  })),
  formPost: (chance, known) => whole(rawRequest({
    method: 'POST', target: '/.auth/callback', host: known.host, fields: [urlEncoded], body: form(chance, known)
  })),
  login: (chance, { host }) => {
    const parameter = chance.pick(['post_login_redirect_uri', 'login_hint', 'domain_hint', 'need'])
    const path = chance.pick(['/.auth/login', '/.auth/login/aad'])
    return whole(rawRequest({ target: `${path}?${parameter}=${encodeURIComponent(chance.pick(returnUrls))}`, host, fields: navigation }))
  },
  logout: (chance, known) => whole(rawRequest({
    ...chance.pick([
      { target: `/.auth/logout?post_logout_redirect_uri=${encodeURIComponent(chance.pick(returnUrls))}` },
      { target: `/.auth/frontchannel-logout?${form(chance, known)}` },
      { method: 'POST', target: '/.auth/backchannel-logout', body: `logout_token=${spoilt(chance, 'eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJ4In0.AAAA')}` },
      { method: 'POST', target: '/.auth/logout', body: form(chance, known) }
    ]),
    host: known.host,
    fields: [urlEncoded, ['Sec-Fetch-Site', 'cross-site']]
  })),
  otherSite: (chance, { host, cookie, canary }) => whole(rawRequest({
    method: chance.pick(['POST', 'PUT', 'DELETE', 'PATCH']),
    target: chance.pick(['/x', '/.auth/refresh', '/.auth/logout']),
    host,
    cookie,
    fields: [chance.pick(sites).split(': ') as [string, string]],
    body: canary
  })),
  framing: (chance, { host }) => left(chance,
    `POST ${chance.pick(paths)} HTTP/1.1\r\nHost: ${host}\r\n${chance.pick(framings)}\r\n\r\n${chance.pick(brokenBodies)}`),
  noise: chance => left(chance, chance.pick(otherProtocols) + chance.noise(400)),
  upgrade: (chance, { host, cookie }) => left(chance, rawRequest({
    target: chance.pick(['/live/x', '/x', '/public/x', '/.auth/me']),
    host,
    ...chance.pick([{}, { cookie }]),
    fields: [...handshakeFields(chance.pick(handshakes)), ['Origin', chance.pick([`http://${host}`, 'https://evil.example', 'null'])]]
  }) + chance.noise(200)),
  shortBody: (chance, { host, cookie, canary }) => left(chance, rawRequest({
    method: 'POST',
    target: chance.pick(['/public/x', '/x', '/.auth/callback']),
    host,
    cookie,
    fields: [['Content-Length', String(200 + chance.below(100_000))], sameOrigin, urlEncoded]
  }) + canary),
  shortChunks: (chance, { host, cookie, canary }) => left(chance, rawRequest({
    method: 'PUT', target: chance.pick(['/public/x', '/x']), host, cookie, fields: [['Transfer-Encoding', 'chunked'], sameOrigin]
  }) + `${canary.length.toString(16)}\r\n${canary}\r\nffff\r\n`),
  longBody: (chance, { host, cookie }) => whole(rawRequest({
    method: 'POST',
    target: chance.pick(['/public/x', '/x']),
    host,
    cookie,
    fields: [['Content-Length', String(100_000 + chance.below(1e9))], sameOrigin]
  })),
  departure: (chance, { host, cookie }) => left(chance, rawRequest({ target: chance.pick(['/public/slow', '/slow', '/.auth/login']), host, cookie })),
  pipeline: (chance, known) => {
    const requests = 2 + chance.below(8)
    const one = (): string => rawRequest({
      target: chance.pick(['/public/x', '/x', '/nothing', '/.auth/me', '/..']), host: known.host, cookie: cookieOf(chance, known)
    })
    return { bytes: Array.from({ length: requests }, one).join(''), requests, leavesAfterMs: undefined }
  }
}

/** @returns a function that gives the next client */
export function createHostiles (seed: number, known: Known): () => HostileClient {
  const chance = createChance(seed)
  const all = Object.entries(kinds)
  return () => {
    const [kind, make] = chance.pick(all)
    return { kind, ...make(chance, known) }
  }
}
