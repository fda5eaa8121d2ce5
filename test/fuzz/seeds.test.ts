/**
 * This file holds what parsers of requests promise against seeds that are known to be hard, and what lies near them.
 */
import t from 'tap'
import { parseForm } from '../../src/auth/form.ts'
import { readQuery, repeated } from '../../src/auth/query.ts'
import { parseReturnUrl } from '../../src/auth/return-url.ts'
import { parseApiClaims } from '../../src/identity/api-token.ts'
import { parseClaimsRequest } from '../../src/identity/claims.ts'
import { parseLogoutClaims } from '../../src/identity/logout-token.ts'
import { findBearer } from '../../src/proxy/bearer.ts'
import { readClaimsChallenge } from '../../src/proxy/challenge.ts'
import { parseTarget } from '../../src/proxy/target.ts'
import { readFields } from '../../src/server/fields.ts'
import { findCookie, withoutOwnCookies } from '../../src/session/cookie.ts'
import { ownCookie } from '../proxy/support.ts'
import { holds } from './support.ts'

t.test('C1.23 target: the canonical form of a target is its own, and a URL parser leaves it as it is', async () => {
  holds('target', raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return target.why !== ''
    const again = parseTarget(target.path + target.query)
    return again.kind === 'target' && again.path === target.path && again.routePath === target.routePath && again.query === target.query &&
      new URL(target.path, 'http://app.example').pathname === target.path
  })
})

t.test('cookie: what is left for the upstream holds no cookie of ours, and names stay names', async () => {
  holds('cookie', header => {
    const found = findCookie(header, '__Host-scopegate')
    if (found.kind === 'value' && !header.includes(`__Host-scopegate=${found.value}`)) return false
    const kept = withoutOwnCookies(header, ownCookie)
    return kept === undefined || (!kept.split(';').some(pair => ownCookie(pair.split('=', 1)[0]!)) && withoutOwnCookies(kept, ownCookie) === kept)
  })
})

t.test('C3.3 return URL: the answer is what came or /, and on our origin', async () => {
  holds('return-url', text => {
    const url = parseReturnUrl(text)
    return (url === text || url === '/') && /^\/(?![/\\])[!-~]*$/.test(url) && new URL(url, 'https://gw.example').origin === 'https://gw.example' &&
      parseReturnUrl(url) === url
  })
})

t.test('query: a parameter has the one value that the whole query gives it', async () => {
  holds('query', url => {
    const read = readQuery(url)
    const mark = url.indexOf('?')
    // A first question mark is skipped, a second is part of a name.
    const all = [...new URLSearchParams(mark < 0 ? '' : `?${url.slice(mark + 1)}`)]
    return all.every(([name]) => {
      const values = all.filter(([one]) => one === name)
      return read(name) === (values.length > 1 ? repeated : values[0]![1])
    }) && read('not there') === undefined
  })
})

t.test('form: all of its fields once, or none', async () => {
  holds('form', text => {
    const names = [...new URLSearchParams(`?${text}`).keys()]
    const fields = parseForm(text)
    if (fields !== undefined && text.startsWith('?') && ![...fields.keys()][0]!.startsWith('?')) return false
    return fields === undefined ? new Set(names).size < names.length : fields.size === names.length
  })
})

t.test('C2.9 fields: one host that came as it is, or a reason', async () => {
  holds('fields', text => {
    const raw = listOf(text)
    const fields = readFields(raw)
    if (fields.kind === 'refused') return [400, 431].includes(fields.status) && fields.why !== ''
    const hosts = raw.filter((_, i) => i % 2 === 0 && raw[i]!.toLowerCase() === 'host')
    return hosts.length === 1 && raw.includes(fields.host)
  })
})

/** A flat list of names and values out of JSON, or out of anything else by its lines. */
function listOf (text: string): string[] {
  let list: unknown
  try {
    list = JSON.parse(text)
  } catch {
    list = text.split(/[\n:,]/)
  }
  const texts = (Array.isArray(list) ? list : [list]).map(String)
  return texts.length % 2 === 0 ? texts : [...texts, '']
}

t.test('logout token: names somebody and was made a while ago, or is refused for a reason', async () => {
  const now = 1_800_000_000
  holds('logout-token', text => {
    const payload = objectOf(text)
    const claims = parseLogoutClaims(payload, now)
    if (claims.kind === 'refused') return claims.why !== ''
    return typeof (claims.sid ?? claims.sub) === 'string' && Math.abs(now - (payload.iat as number)) <= 600 && !Object.hasOwn(payload, 'nonce')
  })
})

t.test('C6.7 challenge: a claims request for an access token that the provider is asked for as it is, or none', async () => {
  holds('challenge', text => {
    const read = (value: string): string | undefined => readClaimsChallenge([Buffer.from('WWW-Authenticate'), Buffer.from(value, 'latin1')])
    const claims = read(text)
    if (claims === undefined) return true
    const again = read(`Bearer error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`)
    return /insufficient/i.test(text) && claims.startsWith('{"access_token":{"') && parseClaimsRequest(claims) === claims && again === claims
  })
})

t.test('C14.1 bearer: a token is three parts of base64url out of the field, and nothing else is one', async () => {
  holds('bearer', text => {
    const found = findBearer(text)
    if (found.kind === 'token') return /^[\w-]+(?:\.[\w-]+){2}$/.test(found.token) && text.toLowerCase().startsWith('bearer ') && text.endsWith(found.token)
    return found.kind === 'none' ? !/^bearer(?: |$)/i.test(text) : found.why !== ''
  })
})

t.test('C14.2 API token: a user\'s or an app\'s access token, or refused for a reason', async () => {
  holds('api-token', text => {
    const payload = objectOf(text)
    const parsed = parseApiClaims(payload)
    if (parsed.kind === 'refused') return parsed.why !== ''
    const isUser = typeof payload.scp === 'string' && payload.scp !== ''
    const { tid, oid, sub, iss } = parsed.claims
    return parsed.isApp !== isUser && parsed.client !== '' && [tid, oid, sub, iss].every(one => typeof one === 'string') &&
      !['nonce', 'at_hash', 'c_hash', 'cnf'].some(name => Object.hasOwn(payload, name))
  })
})

function objectOf (text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? value as Record<string, unknown> : {}
  } catch {
    return {}
  }
}
