/** This file parses the `claims` parameter (OpenID Connect Core 5.5) down to what Entra looks at. */
import { EntraError } from '../errors/entra-error.ts'

export interface ClaimsRequest {
  /** Authentication contexts wanted in the ID token and in the access token. */
  readonly idTokenContexts: readonly string[]
  readonly accessTokenContexts: readonly string[]
  /** Policies named by an earlier error. */
  readonly policyIds: readonly string[]
  /** The client handles claims challenges (`xms_cc: cp1`). */
  readonly handlesChallenges: boolean
}

const CONTEXT = /^c[1-9][0-9]?$/

/**
 * MSAL sends `claims` with every request; members nobody here knows are ignored.
 *
 * @throws EntraError 90100 when the value is not a JSON object
 */
export function parseClaimsRequest (text: string | null | undefined): ClaimsRequest {
  const root = text ? parseObject(text) : {}
  const idToken = memberOf(root, 'id_token')
  const accessToken = memberOf(root, 'access_token')
  return {
    idTokenContexts: valuesOf(idToken.acrs).filter((value) => CONTEXT.test(value)),
    accessTokenContexts: valuesOf(accessToken.acrs).filter((value) => CONTEXT.test(value)),
    policyIds: valuesOf(accessToken.capolids),
    handlesChallenges: valuesOf(accessToken.xms_cc).some((value) => value.toLowerCase() === 'cp1')
  }
}

function parseObject (text: string): Record<string, unknown> {
  try {
    const value: unknown = JSON.parse(text)
    if (isObject(value)) return value
  } catch {} // fallthrough: not JSON is the same mistake as JSON of another type
  throw new EntraError(90100, { detail: "'claims' is not a JSON object." })
}

function isObject (value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function memberOf (parent: Record<string, unknown>, name: string): Record<string, unknown> {
  const value = parent[name]
  return isObject(value) ? value : {}
}

/** `value` or `values` of one requested claim. */
function valuesOf (request: unknown): string[] {
  if (!isObject(request)) return []
  const list = Array.isArray(request.values) ? request.values : [request.value]
  return list.filter((item): item is string => typeof item === 'string')
}
