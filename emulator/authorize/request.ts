/** This file parses an authorize request whose reply address is known: from here on errors are redirected. */
import { EntraError } from '../errors/entra-error.ts'
import { parseClaimsRequest, type ClaimsRequest } from '../policies/claims-request.ts'
import { resolveScopes } from '../scopes.ts'
import type { CodeRecord } from '../state.ts'
import type { World } from '../world.ts'
import type { Parameters, ReplyAddress } from './address.ts'

export interface AuthorizeRequest extends ReplyAddress {
  readonly parameters: Parameters
  readonly responseTypes: readonly ResponseType[]
  readonly prompt: Prompt | null
  readonly scope: string
  readonly nonce: string | null
  readonly challenge: CodeRecord['challenge']
  readonly claims: ClaimsRequest
}

type ResponseType = 'code' | 'id_token' | 'token'
type Prompt = 'login' | 'none' | 'consent' | 'select_account'

/** @throws EntraError 900144, 90023, 700054, 90100, 501481, 500011, 650053, 70011, 90009 */
export function parseAuthorizeRequest (address: ReplyAddress, parameters: Parameters, world: World): AuthorizeRequest {
  const request = {
    ...address,
    parameters,
    responseTypes: parseResponseTypes(parameters, address),
    prompt: parsePrompt(parameters),
    scope: parseScope(parameters),
    nonce: parameters.nonce ?? null,
    challenge: parseChallenge(parameters),
    claims: parseClaimsRequest(parameters.claims)
  }
  if (request.responseTypes.includes('id_token') && request.nonce === null) throw missing('nonce')
  // Unknown resources and scopes are refused before anybody signs in, in the client's tenant when the path names none.
  const tenant = address.tenant ?? world.state.tenants.find(({ id }) => id === address.client.tenantId)!
  resolveScopes(request.scope, { client: address.client, tenant, tenants: world.state.tenants })
  return request
}

const missing = (name: string) => new EntraError(900144, { detail: `The request must contain the following parameter: '${name}'.` })

function parseResponseTypes (parameters: Parameters, { client, mode: usedMode }: ReplyAddress): ResponseType[] {
  const { response_type: asked, response_mode: mode } = parameters
  if (!asked) throw missing('response_type')
  const words = asked.split(' ').filter(Boolean)
  const types = words.filter((word): word is ResponseType => ['code', 'id_token', 'token'].includes(word))
  const isEnabled = { code: true, id_token: client.implicit.idToken, token: client.implicit.accessToken }
  const isAllowed = types.length > 0 && types.length === words.length && types.every((type) => isEnabled[type])
  if (!isAllowed) throw new EntraError(700054, { detail: `'${asked}'.` })
  const isOtherMode = mode !== undefined && mode !== usedMode
  if (isOtherMode) throw new EntraError(90023, { detail: `'response_mode' ${mode} with 'response_type' ${asked}.` })
  return types
}

function parsePrompt ({ prompt }: Parameters): Prompt | null {
  if (!prompt) return null
  if (prompt !== 'login' && prompt !== 'none' && prompt !== 'consent' && prompt !== 'select_account') {
    throw new EntraError(90023, { detail: `'prompt' is '${prompt}'.` })
  }
  return prompt
}

function parseScope ({ scope }: Parameters): string {
  if (!scope?.trim()) throw missing('scope')
  return scope
}

/** RFC 7636 4.2 and 4.3: 43 to 128 unreserved characters; the method is `plain` when omitted. */
function parseChallenge ({ code_challenge: value, code_challenge_method: method = 'plain' }: Parameters): CodeRecord['challenge'] {
  if (value === undefined) return null
  if (method !== 'S256' && method !== 'plain') throw new EntraError(90023, { detail: `'code_challenge_method' is '${method}'.` })
  if (!/^[\w.~-]{43,128}$/.test(value)) {
    throw new EntraError(501481, { error: 'invalid_request', detail: "'code_challenge' must have 43 to 128 characters." })
  }
  return { value, method }
}
