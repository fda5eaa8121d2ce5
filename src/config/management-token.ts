/** This file says what the token of the management listener has to look like. */
import { isPlaceholder } from './keys.ts'

/** What may follow `Bearer` (RFC 6750, section 2.1). 32 characters of base64 are 192 bits. */
const form = /^[A-Za-z0-9._~+/-]{32,512}=*$/

/** The token in the text of its file, where a line break may follow it; undefined when it is none or too short. */
export function parseManagementToken (text: string): string | undefined {
  const token = text.trim()
  return form.test(token) && !isPlaceholder(token) ? token : undefined
}

/** What is wrong with the text of a token file, or undefined. */
export function managementTokenProblem (text: string): string | undefined {
  if (parseManagementToken(text) !== undefined) return undefined
  return 'must hold one random token of 32 to 512 letters, digits and - . _ ~ + /, as made by: openssl rand -base64 32'
}
