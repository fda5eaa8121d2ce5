/**
 * This file turns a raw request target into its one canonical form, or says why it is refused.
 *
 * What comes out is what is routed, authorised and forwarded. Whatever a backend could read as another path, by decoding,
 * folding or splitting once more, is refused rather than repaired (security.md, 4.4; RFC 3986, section 6.2.2; RFC 9112,
 * section 3.2).
 */

/** A target in canonical form. */
export interface Target {
  readonly kind: 'target'
  /** The path as it goes to the upstream: only necessary escapes, in upper case. */
  readonly path: string
  /** The path that routes are matched against: encoded slashes and backslashes are slashes, and no literal is escaped. */
  readonly routePath: string
  /** From `?` on, byte for byte as received; empty when there is none. */
  readonly query: string
  /** The authority of an absolute-form target, which then replaces Host (RFC 9112, section 3.2.2). */
  readonly authority: string | undefined
}

export interface RefusedTarget {
  readonly kind: 'refused'
  readonly status: 400 | 414
  /** For the log. */
  readonly why: string
}

const maxTargetBytes = 8192

const byte = { plain: 0, encode: 1, dot: 2, slash: 3, escape: 4, refuse: 5 } as const

/**
 * Canonicalises an origin-form or http(s) absolute-form target. Does not know routes: a target whose `routePath` differs
 * from its `path` needs a route that allows encoded slashes.
 */
export function parseTarget (raw: string): Target | RefusedTarget {
  if (raw.length > maxTargetBytes) return { kind: 'refused', status: 414, why: 'longer than 8 KiB' }
  const authority = authorityOf(raw)
  const origin = authority === undefined ? raw : raw.slice(raw.indexOf('//') + 2 + authority.length) || '/'
  const mark = origin.indexOf('?')
  const path = mark < 0 ? origin : origin.slice(0, mark)
  const query = mark < 0 ? '' : origin.slice(mark)
  if (path[0] !== '/') return refused('not in origin form')
  if (!isPrintable(query)) return refused('control, space, # or non-ASCII in the query')
  return canonical(path, query, authority)
}

function refused (why: string): RefusedTarget {
  return { kind: 'refused', status: 400, why }
}

function authorityOf (raw: string): string | undefined {
  return /^https?:\/\/([^/?#\\@]+)(?=[/?]|$)/i.exec(raw)?.[1]
}

/** In a query everything printable stands for itself, but a fragment mark never belongs into a request. */
function isPrintable (text: string): boolean {
  for (let i = 0; i < text.length; i++) {
    const code = text.charCodeAt(i)
    if (code <= 0x20 || code >= 0x7f || code === 0x23) return false
  }
  return true
}

/** What a byte of a path is: one table look-up per character on the hot path. */
const classes = new Uint8Array(128).fill(byte.refuse)
for (const c of 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_~!$&\'()*+,=:@[]') classes[c.charCodeAt(0)] = byte.plain
for (const c of '"<>^`{|}') classes[c.charCodeAt(0)] = byte.encode
classes[0x2e] = byte.dot
classes[0x2f] = byte.slash
classes[0x25] = byte.escape

function canonical (path: string, query: string, authority: string | undefined): Target | RefusedTarget {
  let previous: number = byte.plain
  for (let i = 0; i < path.length; i++) {
    const kind = classes[path.charCodeAt(i)] ?? byte.refuse
    if (kind === byte.escape || kind === byte.encode) return decoded(path, query, authority)
    if (kind === byte.refuse) return refused('a character that is not allowed in a path')
    if (kind === byte.slash && previous === byte.slash) return refused('an empty segment')
    if (kind === byte.dot && previous === byte.slash && isDotSegment(path, i)) return refused('a dot segment')
    previous = kind
  }
  return { kind: 'target', path, routePath: path, query, authority }
}

/** Whether the segment that begins with the dot at `start` has nothing but dots. */
function isDotSegment (path: string, start: number): boolean {
  let end = start + 1
  while (path[end] === '.') end++
  return end === path.length || path[end] === '/'
}

const unreserved = /[A-Za-z0-9\-._~]/

/** The slow path: a target with escapes. */
function decoded (path: string, query: string, authority: string | undefined): Target | RefusedTarget {
  if (/%(?![0-9A-Fa-f]{2})/.test(path)) return refused('an invalid escape')
  const normal = path
    .replace(/%[0-9A-Fa-f]{2}/g, escape => {
      const character = String.fromCharCode(parseInt(escape.slice(1), 16))
      return unreserved.test(character) ? character : escape.toUpperCase()
    })
    .replace(/["<>^`{|}]/g, character => '%' + character.charCodeAt(0).toString(16).toUpperCase())
  const why = refusalOf(normal)
  if (why !== undefined) return refused(why)
  return { kind: 'target', path: normal, routePath: asRoutes(normal), query, authority }
}

/**
 * A path as routes are written. The characters that a route's path may have besides unreserved ones are decoded to find it:
 * `/%40admin` is a way to write `/@admin` for any backend. They stay escaped for the upstream, as the client sent them.
 */
function asRoutes (path: string): string {
  return path.replace(/%2F|%5C/g, '/').replace(/%(?:2[1467BC]|3[AD]|40)/g, decodeURIComponent)
}

/** Why a path with normalised escapes could be read as another one, or undefined when it could not. */
function refusalOf (path: string): string | undefined {
  if (/%[01][0-9A-F]|%7F/.test(path)) return 'an encoded control character'
  // `;` starts path parameters for some backends (RFC 3986, section 3.3), before or after they decode.
  if (/;|%3B/.test(path)) return 'a path parameter'
  // A second decoding pass would make these . / \ % ; NUL, or an IIS-style %uXXXX escape. With a hex digit between two
  // encoded percent signs it takes a third pass: `/%25%2532E`, `/%%32E`, `/%2E`.
  if (/%25(?:2E|2F|5C|25|3B|00|u|[0-9A-F]?%25)/i.test(path)) return 'a doubly encoded character'
  const text = decodeUtf8(path)
  if (text === undefined) return 'escapes that are not UTF-8'
  if (hasEmptyOrDotSegment(text)) return 'an empty or dot segment'
  if (/[^\x20-\x7e]/.test(text) && foldsToSyntax(text)) return 'a character that folds to path syntax'
  if (/[^\x21-\x7e]/.test(path) || path.includes('\\') || path.includes('#')) return 'a character that is not allowed in a path'
  return undefined
}

/** Windows trims blanks and dots from the end of a segment, so one that has nothing else counts as well. */
function hasEmptyOrDotSegment (text: string): boolean {
  const segments = text.split(/[\\/]/).slice(1)
  const last = segments.length - 1
  return segments.some((segment, i) => segment === '' ? i < last : /^[.\s]+$/.test(segment))
}

function decodeUtf8 (path: string): string | undefined {
  try {
    return decodeURIComponent(path)
  } catch {
    return undefined
  }
}

/** Division and fraction slashes, which Windows folds to `/` and `\` although Unicode does not. */
const lookalikes = /[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/

/** Whether a backend that folds compatibility characters (full-width dots, say) would see new dots, slashes or escapes. */
function foldsToSyntax (text: string): boolean {
  if (lookalikes.test(text) || /\p{Cc}/u.test(text)) return true
  const syntax = /[./\\%;]/g
  return text.normalize('NFKC').match(syntax)?.length !== text.match(syntax)?.length
}
