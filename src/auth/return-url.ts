/**
 * This file decides where a browser goes after signing in or out: a path on our own origin, or '/'.
 *
 * Do not simplify this to "starts with one slash" or to `new URL(...).origin`: `/\evil.example`, `/%09/evil.example` and
 * `/%5cevil.example` pass one or the other, and browsers or backends then read another host or path out of them.
 */

const maxLength = 2048

/**
 * @param raw - whatever the request carried
 * @returns a path with query and fragment that stays on our origin however often it is decoded; '/' for anything else
 */
export function parseReturnUrl (raw: unknown): string {
  return typeof raw === 'string' && isLocalPath(raw) ? raw : '/'
}

function isLocalPath (text: string): boolean {
  if (text.length > maxLength || text[0] !== '/') return false
  // Printable ASCII only: browsers escape everything else in a path, and strip some of it.
  if (!/^[\x21-\x7e]+$/.test(text) || text.includes('\\')) return false
  const path = text.split(/[?#]/, 1)[0]!
  return isHarmless(path) && new URL(text, origin).origin === origin
}

const origin = 'https://gateway.invalid'

/** No layer of decoding may show another authority, another path, or one of our own endpoints. */
function isHarmless (path: string): boolean {
  let text = path
  for (let round = 0; round < 4; round++) {
    if (hasPathTricks(text) || /^\/\.auth(?:[/;]|$)/i.test(text)) return false
    const decoded = decode(text)
    if (decoded === undefined) return false
    if (decoded === text) return true
    text = decoded
  }
  return false
}

/** Empty segments, those of dots and blanks, backslashes, controls, and characters that look like a slash, dot or colon. */
function hasPathTricks (text: string): boolean {
  if (/[\\\p{Cc}\p{Cf}]|(?! )\p{Z}/u.test(text)) return true
  if (/[\u2044\u2215\u2216\u29f5\u29f8\u29f9]/.test(text)) return true
  if (countSyntax(text.normalize('NFKC')) !== countSyntax(text)) return true
  return /\/\/|\/[. ]+(?:\/|$)/.test(text)
}

function countSyntax (text: string): number {
  return text.match(/[\\/.:@]/g)?.length ?? 0
}

function decode (text: string): string | undefined {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}
