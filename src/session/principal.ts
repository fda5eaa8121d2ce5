/**
 * This file writes a user the way App Service Authentication does, for `/.auth/me` and the `easyauth` headers.
 *
 * @see https://learn.microsoft.com/azure/app-service/configure-authentication-user-identities
 */
import type { Claims } from './session.ts'

export interface PrincipalClaim {
  readonly typ: string
  readonly val: string
}

const soap = 'http://schemas.xmlsoap.org/ws/2005/05/identity/claims/'
const microsoft = 'http://schemas.microsoft.com/identity/claims/'

/** The claim types that App Service renames; all others keep their name. */
const claimTypes: Readonly<Record<string, string>> = {
  email: `${soap}emailaddress`,
  sub: `${soap}nameidentifier`,
  oid: `${microsoft}objectidentifier`,
  tid: `${microsoft}tenantid`
}

export const nameType = `${soap}emailaddress`
export const roleType = 'http://schemas.microsoft.com/ws/2008/06/identity/claims/role'

/** Every claim as type and value; a claim with several values is repeated. */
export function principalClaims (claims: Claims): PrincipalClaim[] {
  return Object.entries(claims).flatMap(([name, value]) => {
    const typ = Object.hasOwn(claimTypes, name) ? claimTypes[name]! : name
    return (Array.isArray(value) ? value : [value]).map(one => ({ typ, val: typeof one === 'string' ? one : JSON.stringify(one) }))
  })
}

/** The decoded content of `X-MS-CLIENT-PRINCIPAL`. */
export function clientPrincipal (claims: Claims): object {
  return { auth_typ: 'aad', claims: principalClaims(claims), name_typ: nameType, role_typ: roleType }
}

/** What a person calls themselves there: user name, else e-mail. For display, never to recognise anyone. */
export function displayName (claims: Claims): string {
  const name = claims.preferred_username ?? claims.email ?? claims.upn
  return typeof name === 'string' ? name : ''
}
