/** This file reads the keys of the key ring. */

const MIN_BYTES = 32
const MIN_DISTINCT_BYTES = 16

/** The bytes of a key written as hex, base64 or base64url; undefined for anything else. An even run of hex digits is hex. */
export function decodeKey (text: string): Uint8Array | undefined {
  if (/^(?:[0-9a-f]{2})+$/i.test(text)) return Buffer.from(text, 'hex')
  return isBase64(text) ? Buffer.from(text, 'base64') : undefined
}

/** Base64 in either alphabet, padded or not, without line breaks. */
export function isBase64 (text: string): boolean {
  return /^(?:[A-Za-z0-9+/]+|[A-Za-z0-9_-]+)={0,2}$/.test(text) && text.replace(/=+$/, '').length % 4 !== 1
}

/**
 * What is wrong with a key, or undefined. 32 random bytes hold 30 different ones on average; a repeated word, a counter or
 * zeros hold few.
 */
export function keyProblem (text: string): string | undefined {
  const bytes = decodeKey(text)
  if (bytes === undefined || bytes.length < MIN_BYTES) {
    return 'must be at least 32 random bytes as base64, base64url or hex, as made by: openssl rand -base64 32'
  }
  if (new Set(bytes).size < MIN_DISTINCT_BYTES || isPlaceholder(text)) return 'is not random: make a key with: openssl rand -base64 32'
  return undefined
}

/** Whether a secret is one of the words that stand in examples. */
export function isPlaceholder (text: string): boolean {
  return /^(?:change[-_ ]?(?:me|this|it).*|your[-_ ].*|<.*>|\[.*\]|replace[-_ ]?.*|placeholder.*|todo.*|secret|password|client[-_ ]?secret|(.)\1*)$/i.test(text)
}
