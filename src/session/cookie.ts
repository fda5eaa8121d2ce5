/**
 * This file knows the session cookie: its name, its attributes, and how to find its raw value in a Cookie header.
 */

/** What a cookie looks like from outside; deleting it repeats the same attributes. */
export interface CookieForm {
  readonly name: string
  readonly secure: boolean
  readonly sameSite: 'lax' | 'strict'
}

/** Where a session cookie was looked for: `none`, its raw value, or more than one of them. */
export type FoundCookie =
  | { readonly kind: 'none' }
  | { readonly kind: 'value', readonly value: string }
  | { readonly kind: 'several' }

const none: FoundCookie = { kind: 'none' }
const several: FoundCookie = { kind: 'several' }

/**
 * The cookie of a gateway at this public URL. Over https the name carries `__Host-`, so that no sibling domain and no
 * plain http response can plant it (RFC 6265bis, section 4.1.3). Plain http is possible on loopback only, where browsers
 * refuse that prefix.
 */
export function cookieForm (publicUrl: URL, name: string, sameSite: 'lax' | 'strict'): CookieForm {
  const secure = publicUrl.protocol === 'https:'
  return { name: secure ? `__Host-${name}` : name, secure, sameSite }
}

/**
 * Finds the raw value of a cookie. Names are compared byte for byte. Two cookies of the name are `several`: one of them
 * was planted, and nobody can tell which (cookie tossing).
 */
export function findCookie (header: string | undefined, name: string): FoundCookie {
  if (header === undefined) return none
  let found: FoundCookie = none
  let start = 0
  while (start < header.length) {
    let end = header.indexOf(';', start)
    if (end < 0) end = header.length
    while (header.charCodeAt(start) === 0x20) start++
    if (header.startsWith(name, start) && header.charCodeAt(start + name.length) === 0x3d) {
      if (found !== none) return several
      found = { kind: 'value', value: header.slice(start + name.length + 1, end).trimEnd() }
    }
    start = end + 1
  }
  return found
}

/**
 * Removes the gateway's own cookies from a Cookie header: the session's and those of pending sign-ins.
 * @returns undefined when nothing is left
 */
export function withoutOwnCookies (header: string, isOwn: (name: string) => boolean): string | undefined {
  let kept = ''
  for (let start = 0; start < header.length;) {
    const semicolon = header.indexOf(';', start)
    const end = semicolon < 0 ? header.length : semicolon
    const pair = header.slice(start, end).trim()
    const mark = pair.indexOf('=')
    const isKept = pair !== '' && !isOwn(mark < 0 ? pair : pair.slice(0, mark))
    if (isKept) kept += kept === '' ? pair : `; ${pair}`
    start = end + 1
  }
  return kept === '' ? undefined : kept
}

/**
 * Whether a cookie name, as a browser would store it, is one of the gateway's. Any case counts: a backend must not get
 * near them, and some user agents fold names.
 */
export function isOwnCookie (form: CookieForm): (name: string) => boolean {
  const base = form.name.toLowerCase().replace(/^__host-/, '')
  return name => {
    const stripped = name.trim().toLowerCase().replace(/^__(?:host|secure)-/, '')
    return stripped === base || stripped.startsWith(`${base}.`)
  }
}
