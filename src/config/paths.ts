/** This file checks the paths of a config. Each function answers undefined, or a sentence that says what to write. */

/** RFC 3986 unreserved characters, and sub-delimiters that no server takes for structure. */
const LITERAL_PATH = /^(?:\/[A-Za-z0-9._~!$&'+,=@:-]*)+$/

/** A path that means the same to everybody who decodes, normalises or matches it once more. */
export function literalPathProblem (text: string): string | undefined {
  if (!text.startsWith('/')) return 'must begin with /'
  if (text.includes('//')) return 'must not contain //'
  if (/\/\.\.?(?:\/|$)/.test(text)) return 'must not contain the segments . and ..'
  return LITERAL_PATH.test(text) ? undefined : "must be literal: letters, digits and - . _ ~ ! $ & ' + , = @ : between slashes; no patterns, no escapes"
}

/** A literal path, or one with a final segment `*`, outside of what the gateway answers itself. */
export function routePathProblem (text: string): string | undefined {
  if (/^\/\.auth/i.test(text)) return 'must not begin with /.auth: those paths belong to the gateway'
  if (text.endsWith('*') && !text.endsWith('/*')) return 'must have * as a segment of its own at the end, as in /api/*'
  return literalPathProblem(text.endsWith('/*') ? text.slice(0, -1) : text)
}
