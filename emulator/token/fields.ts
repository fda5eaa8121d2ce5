/** This file checks grant type, required fields, and the outer form of codes and refresh tokens. */
import { EntraError } from '../errors/entra-error.ts'
import { GRANT_TYPES, type GrantType, type TokenContext } from './context.ts'

/** `client_id` may also come by Basic authentication; findClientOfRequest asks for it. */
const REQUIRED: Readonly<Record<GrantType, readonly string[]>> = {
  [GRANT_TYPES.code]: ['code', 'redirect_uri'],
  [GRANT_TYPES.refresh]: ['refresh_token'],
  [GRANT_TYPES.client]: ['scope'],
  [GRANT_TYPES.onBehalfOf]: ['assertion', 'requested_token_use', 'scope']
}

export function requireKnownGrant (context: TokenContext): void {
  const asked = context.parameters.grant_type
  if (!asked) throw missing('grant_type')
  const known = Object.values(GRANT_TYPES).find((type) => type === asked)
  if (known === undefined) throw new EntraError(70003, { detail: `'${asked}'.` })
  context.grantType = known
}

export function requireFields ({ grantType, parameters }: TokenContext): void {
  const absent = REQUIRED[grantType].find((name) => !parameters[name])
  if (absent !== undefined) throw missing(absent)
  if (grantType === GRANT_TYPES.onBehalfOf && parameters.requested_token_use !== 'on_behalf_of') throw missing('requested_token_use')
}

const missing = (name: string) => new EntraError(900144, { detail: `The request body must contain the following parameter: '${name}'.` })

/** What every code and refresh token of this emulator begins with. */
export const HANDLE_PREFIX = '1.'

export function requireWellFormedHandle ({ parameters, world }: TokenContext): void {
  const { codeLength, rtLength } = world.quirks
  const isMalformed = (handle: string | undefined, length: number) =>
    handle !== undefined && (handle.length !== length || !/^1\.[\w-]+$/.test(handle))
  if (isMalformed(parameters.code, codeLength) || isMalformed(parameters.refresh_token, rtLength)) throw new EntraError(9002313)
}
