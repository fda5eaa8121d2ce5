/**
 * This file feeds every parser of untrusted input with noise for a bounded time: none may throw, hang, or break what it
 * promises. The unit tests of each parser have the properties that need more words.
 */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { parseForm } from '../../src/auth/form.ts'
import { readQuery, single } from '../../src/auth/query.ts'
import { parseReturnUrl } from '../../src/auth/return-url.ts'
import { parseLogoutClaims } from '../../src/identity/logout-token.ts'
import { readClaimsChallenge } from '../../src/proxy/challenge.ts'
import { followFrames } from '../../src/proxy/frames.ts'
import { flawOfAnswer, readHandshake } from '../../src/proxy/handshake.ts'
import { responseHeaderWriter } from '../../src/proxy/response-headers.ts'
import { requestHeaderWriter } from '../../src/proxy/request-headers.ts'
import { parseTarget } from '../../src/proxy/target.ts'
import { readFields } from '../../src/server/fields.ts'
import { findCookie, withoutOwnCookies } from '../../src/session/cookie.ts'
import { createSessionIds } from '../../src/session/ids.ts'
import { sessionOf } from '../../src/session/records.ts'
import { hasEnded, parseSession } from '../../src/session/session.ts'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createSealer } from '../../src/store/seal.ts'
import { ownCookie, pairs, requestWith, routeOf } from '../proxy/support.ts'
import { bounded as boundedTo } from './support.ts'

const bounded = boundedTo(20_000)
const text = fc.oneof(fc.string({ unit: 'binary-ascii' }), fc.string({ unit: 'binary' }), fc.string({ unit: 'grapheme' }))
const latin1 = fc.uint8Array({ maxLength: 60 }).map(bytes => Buffer.from(bytes).toString('latin1'))

t.test('a target is refused for a reason or made of printable ASCII', async () => {
  fc.assert(fc.property(fc.oneof(text, text.map(rest => `/${rest}`), text.map(rest => `http://gw/${rest}`)), raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return [400, 414].includes(target.status) && target.why !== ''
    return /^\/[\x21-\x7e]*$/.test(target.path) && /^(?:\?[\x21-\x7e]*)?$/.test(target.query) && target.routePath.startsWith('/') &&
      (target.authority === undefined || /^[^/?#@\\]+$/.test(target.authority))
  }), bounded)
})

const name = '__Host-scopegate'
const cookieHeader = fc.array(fc.oneof(
  fc.constantFrom(name, `${name}=v`, `${name}=`, `=${name}=v`, `${name}.t.x=v`, `${name.toLowerCase()}=v`, ';', '; ', ' ', '=', 'a=1', '\t', ','), latin1
), { maxLength: 12 }).map(parts => parts.join(''))

t.test('a session cookie is found exactly where a header has one', async () => {
  fc.assert(fc.property(cookieHeader, header => {
    const values = header.split(';').map(pair => pair.replace(/^ +/, '')).filter(pair => pair.startsWith(`${name}=`))
      .map(pair => pair.slice(name.length + 1).trimEnd())
    const found = findCookie(header, name)
    if (values.length === 0) return found.kind === 'none'
    return values.length === 1 ? found.kind === 'value' && found.value === values[0] : found.kind === 'several'
  }), bounded)
})

t.test('no cookie of the gateway goes on to an upstream, and removing them once is enough', async () => {
  fc.assert(fc.property(cookieHeader, header => {
    const kept = withoutOwnCookies(header, ownCookie)
    if (kept === undefined) return true
    return findCookie(kept, name).kind === 'none' && kept.split(';').every(pair => !ownCookie(pair.split('=', 1)[0]!)) &&
      withoutOwnCookies(kept, ownCookie) === kept
  }), bounded)
})

t.test('a return URL is a local path whatever comes in', async () => {
  fc.assert(fc.property(fc.anything(), fc.oneof(text, text.map(rest => `/${rest}`)), (value, raw) => {
    for (const url of [parseReturnUrl(value), parseReturnUrl(raw)]) {
      if (!/^\/(?!\/)[\x21-\x5b\x5d-\x7e]*$/.test(url) || new URL(url, 'https://gw.example').origin !== 'https://gw.example') return false
    }
    return true
  }), bounded)
})

t.test('a query gives one text, none, or says that it gives two', async () => {
  fc.assert(fc.property(text, text, (url, parameter) => {
    const value = single(readQuery(url)(parameter))
    return value === undefined || typeof value === 'string'
  }), bounded)
})

t.test('a form has each field once or is none', async () => {
  const form = fc.array(fc.oneof(fc.constantFrom('logout_token', 'logout%5ftoken', '=', '&', '%', '+', 'a'), latin1), { maxLength: 12 })
  fc.assert(fc.property(form.map(parts => parts.join('')), body => {
    const names = [...new URLSearchParams(`?${body}`).keys()]
    const fields = parseForm(body)
    if (fields === undefined) return new Set(names).size < names.length
    return new Set(names).size === names.length && fields.size === names.length
  }), bounded)
})

t.test('a logout token names a session or a user, of a while ago, or is refused for a reason', async () => {
  const event = 'http://schemas.openid.net/event/backchannel-logout'
  const now = 1_800_000_000
  const oneOf = (...good: unknown[]) => fc.oneof(fc.constantFrom(...good), fc.constantFrom(...good), fc.anything())
  const payload = fc.record({
    iss: oneOf('https://a'),
    jti: oneOf('j'),
    iat: fc.oneof(fc.integer({ min: now - 700, max: now + 100 }), fc.anything()),
    exp: oneOf(undefined, now + 60),
    sid: oneOf(undefined, 'sid'),
    sub: oneOf(undefined, 'sub'),
    events: oneOf({ [event]: {} }),
    nonce: oneOf(undefined)
  }, { requiredKeys: [] })
  let accepted = 0
  fc.assert(fc.property(payload, claims => {
    const found = parseLogoutClaims(claims as Record<string, unknown>, now)
    if (found.kind === 'refused') return found.why !== ''
    accepted++
    const { iat, events } = claims as { iat: number, events: Record<string, unknown> }
    return typeof (found.sid ?? found.sub) === 'string' && found.jti !== '' && found.iss !== '' && !Object.hasOwn(claims, 'nonce') &&
      Math.abs(now - iat) <= 600 && typeof events[event] === 'object'
  }), bounded)
  if (accepted === 0) throw new Error('nothing was ever accepted')
})

t.test('a header section has one host or a reason', async () => {
  const field = fc.tuple(fc.oneof(fc.constantFrom('Host', 'host', 'HOST', 'Cookie', 'cookie', 'Accept', 'Origin', '__proto__'), latin1), latin1)
  fc.assert(fc.property(fc.array(field, { maxLength: 120 }), fields => {
    const checked = readFields(fields.flat())
    const hosts = fields.filter(([one]) => one.toLowerCase() === 'host')
    if (checked.kind === 'refused') return [400, 431].includes(checked.status)
    return hosts.length === 1 && checked.host === hosts[0]![1]
  }), bounded)
})

t.test('a record is a session or none', async () => {
  const account = fc.record({
    tid: fc.oneof(fc.string(), fc.anything()), oid: fc.string(), homeAccountId: fc.string(), environment: fc.string()
  })
  const near = fc.record({
    account: fc.oneof(fc.anything(), account),
    claims: fc.oneof(fc.anything(), fc.dictionary(fc.string(), fc.anything())),
    createdAt: fc.oneof(fc.nat(), fc.anything()),
    idleEndsAt: fc.oneof(fc.nat(), fc.anything()),
    absoluteEndsAt: fc.oneof(fc.nat(), fc.double(), fc.anything())
  }, { requiredKeys: [] })
  fc.assert(fc.property(fc.oneof(near, fc.anything()), fc.oneof(text, fc.json(), fc.json().map(json => `{"user":${json}}`)), (value, record) => {
    for (const session of [parseSession(value), sessionOf(record)]) {
      if (session === undefined) continue
      if (typeof session.account.tid !== 'string' || !Number.isSafeInteger(session.idleEndsAt) || !hasEnded(session, Number.MAX_SAFE_INTEGER)) return false
    }
    return true
  }), bounded)
})

const keys = createKeyRing([{ id: 'k1', secret: randomBytes(32) }], 'gw')

t.test('a session cookie of nobody is nobody\'s', async () => {
  const ids = createSessionIds(keys)
  const good = ids.sign(ids.generate())
  const near = fc.tuple(fc.nat(good.length), fc.nat(3), fc.string({ maxLength: 3 }))
    .map(([at, cut, more]) => good.slice(0, at) + more + good.slice(at + cut))
  fc.assert(fc.property(fc.oneof(near, text), value => value === good || ids.unsign(value) === undefined), bounded)
})

t.test('a seal of nobody stays shut', async () => {
  const sealer = createSealer(keys, Date.now)
  const good = await sealer.seal('transaction', { a: 1 }, 1e6)
  const header = fc.oneof(fc.json(), fc.constantFrom(
    '{"alg":"dir","enc":"A256GCM","kid":"k1"}', '{"alg":"PBES2-HS256+A128KW","enc":"A256GCM","kid":"k1","p2c":2147483647}'
  ))
  const encoded = (value: string): string => Buffer.from(value).toString('base64url')
  const part = fc.base64String()
  const made = fc.tuple(header, part, part, part, part).map(([head, ...parts]) => [encoded(head), ...parts].join('.'))
  // Spellings differ in bits that mean nothing at the end of a part; the header is authenticated as it is spelt.
  const meaning = ([head, ...parts]: string[]): string => [head, ...parts.map(one => Buffer.from(one, 'base64url').toString('hex'))].join('.')
  const isSame = (sealed: string): boolean => meaning(sealed.split('.')) === meaning(good.split('.'))
  const near = fc.tuple(fc.nat(good.length - 2), fc.constantFrom('', 'A', '.', '-', '%')).map(([at, more]) => good.slice(0, at) + more + good.slice(at + 1))
  await fc.assert(fc.asyncProperty(fc.oneof(made, near, text), async sealed =>
    isSame(sealed) || await sealer.open('transaction', sealed) === undefined), boundedTo(3000))
})

const fieldName = fc.oneof(fc.constantFrom(
  'Connection', 'connection', 'Set-Cookie', 'Location', 'Content-Length', 'X-Hop', 'Authorization', 'X_Forwarded_User', 'X-Forwarded-For', 'Cookie', 'Via',
  'traceparent', '__proto__', 'Transfer-Encoding', 'X-MS-CLIENT-PRINCIPAL-ID'
), latin1)
const fieldValue = fc.oneof(fc.constantFrom(
  'x-hop', 'close, X-Hop', '__Host-scopegate=evil', '=__Host-scopegate=evil', 'https://app.example//evil.example', 'https://app.example/a', 'Bearer evil', ',,,'
), latin1)
const section = fc.array(fc.tuple(fieldName, fieldValue), { maxLength: 20 })

t.test('an upstream\'s header section becomes one without cookies of ours, hops and other places', async () => {
  const write = responseHeaderWriter(routeOf(), { isOwnCookie: ownCookie, onPlantedCookie: () => {} })
  fc.assert(fc.property(section, fields => {
    const list = write(fields.flat().map(one => Buffer.from(one, 'latin1')))
    if (list.length % 2 !== 0 || list.length > fields.length * 2) return false
    return pairs(list).every(([one, value]) => !['connection', 'transfer-encoding', 'clear-site-data'].includes(one) &&
      !(one === 'set-cookie' && /^[\s=]*__host-scopegate/i.test(value)) && !(one === 'location' && /^[/\\]{2}evil/.test(value)))
  }), bounded)
})

t.test('a client\'s header section becomes one in which only the gateway speaks for the gateway', async () => {
  const write = requestHeaderWriter(routeOf('identityHeaders: easyauth'), {
    publicUrl: new URL('https://gw.example'), isOwnCookie: ownCookie, identityNames: new Set(), peerOf: () => ({ address: '192.0.2.7', isTrusted: false })
  })
  fc.assert(fc.property(section, fields => {
    const list = pairs(write(requestWith(fields), { claims: { oid: 'alice' }, bearer: 'Bearer ours', requestId: '0f1e2d3c-4b5a-4978-8695-a4b3c2d1e0f1' }))
    const once = ['authorization', 'x-forwarded-for', 'x-forwarded-host', 'x-request-id', 'traceparent', 'via', 'x-ms-client-principal-id']
    return once.every(one => list.filter(([found]) => found === one).length === 1) && !list.some(([found]) => found.includes('_')) &&
      list.every(([found, value]) => found !== 'authorization' || value === 'Bearer ours') && !list.some(([found]) => found === 'connection')
  }), bounded)
})

t.test('no noise is a claims challenge: it takes a scheme, an error and claims that are an object', async () => {
  const word = fc.constantFrom('Bearer ', 'Basic ', 'error', 'claims', '=', '"', ',', ' ', 'insufficient_claims', 'e30=', 'eyJhY2Nlc3NfdG9rZW4iOnsiYSI6MX19', '\\')
  fc.assert(fc.property(fc.array(fc.oneof({ weight: 4, arbitrary: word }, latin1), { maxLength: 14 }).map(words => words.join('')), value => {
    const claims = readClaimsChallenge([Buffer.from('www-authenticate'), Buffer.from(value, 'latin1')])
    if (claims === undefined) return true
    return claims === '{"access_token":{"a":1}}' && /bearer/i.test(value) && /error.*insufficient/i.test(value) && /claims.*eyJ/i.test(value)
  }), bounded)
})

const handshakeKey = 'dGhlIHNhbXBsZSBub25jZQ=='
const nearKey = fc.oneof(fc.constantFrom(handshakeKey, 'c2hvcnQ=', `${handshakeKey}, ${handshakeKey}`), fc.base64String({ maxLength: 32 }), latin1)

t.test('a handshake has a key of 16 bytes and unique tokens, or a reason', async () => {
  const handshake = fc.record({
    connection: fc.oneof(fc.constantFrom('Upgrade', 'keep-alive, upgrade', 'close'), latin1),
    upgrade: fc.oneof(fc.constantFrom('websocket', 'WebSocket', 'websocket, h2c'), latin1),
    'sec-websocket-key': nearKey,
    'sec-websocket-version': fc.oneof(fc.constantFrom('13', '8', '13, 13'), latin1),
    'sec-websocket-protocol': fc.oneof(fc.constantFrom('chat', 'chat, superchat', 'a, a', ', a'), latin1)
  }, { requiredKeys: [] })
  fc.assert(fc.property(handshake, headers => {
    const read = readHandshake({ method: 'GET', httpVersion: '1.1', headers })
    if (read.kind === 'refused') return [400, 426].includes(read.status) && /^[a-z0-9.-]+$/.test(read.why)
    return Buffer.from(read.key, 'base64').length === 16 && new Set(read.protocols).size === read.protocols.length &&
      read.protocols.every(one => /^[^\s,;="]+$/.test(one)) && headers.upgrade?.toLowerCase() === 'websocket'
  }), bounded)
})

t.test('no answer of an upstream fits a key by chance', async () => {
  const field = fc.tuple(fc.oneof(fc.constantFrom('Upgrade', 'Connection', 'Sec-WebSocket-Accept', '__proto__'), latin1), fc.oneof(
    fc.constantFrom('websocket', 'Upgrade', handshakeKey), fc.base64String({ minLength: 28, maxLength: 28 }), latin1))
  fc.assert(fc.property(fc.array(field, { maxLength: 10 }), fields => {
    const raw = fields.flat().map(one => Buffer.from(one, 'latin1'))
    return typeof flawOfAnswer(raw, { kind: 'handshake', key: handshakeKey, protocols: [] }) === 'string'
  }), bounded)
})

t.test('frames pass as they are, or stop before a flaw', async () => {
  const piece = fc.oneof(
    fc.uint8Array({ maxLength: 30 }),
    fc.constantFrom(
      [0x82, 0xfe, 0, 126], [0x82, 0xff, 0, 0, 0, 0], [0, 0x80, 0, 0, 0, 0], [0x81, 0x81, 1, 2, 3, 4, 5], [0x88, 0x80, 0, 0, 0, 0]
    ).map(bytes => Uint8Array.from(bytes))
  ).map(bytes => Buffer.from(bytes))
  fc.assert(fc.property(fc.array(piece, { maxLength: 20 }), fc.constantFrom('client' as const, 'server' as const), (pieces, sender) => {
    const follower = followFrames(sender, 1000)
    const sent = Buffer.concat(pieces)
    let passed = 0
    for (const bytes of pieces) {
      const one = follower.follow(bytes)
      if (!sent.subarray(passed, passed + one.passed.length).equals(one.passed) || one.gap > one.passed.length) return false
      passed += one.passed.length
      if (one.flaw !== undefined) return [1002, 1009].includes(one.flaw) && follower.isBetweenFrames()
    }
    // All but a header that is not whole yet, unless a Close frame was the last word.
    return follower.hasClosed() || sent.length - passed < 14
  }), bounded)
})
