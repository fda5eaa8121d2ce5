/** This file reads a claims request, pure. */

const maxLength = 4096

/**
 * The claims request as it may be passed on: the JSON text of a non-empty object of at most 4,096 characters.
 *
 * Anything else counts as none. MSAL would take broken JSON or `{}` for "no claims" too, but only after answering with
 * the very token that was challenged.
 */
export function parseClaimsRequest (text: string | undefined): string | undefined {
  if (text === undefined || text.length > maxLength) return undefined
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch {
    return undefined
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject && Object.keys(value as object).length > 0 ? text : undefined
}
