/** This file checks assertions signed with a registered client certificate. */
import { createPublicKey } from 'node:crypto'
import { decodeProtectedHeader, errors, jwtVerify, type JWTPayload } from 'jose'
import type { App, AppCertificate } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'
import type { World } from '../../world.ts'
import type { TokenContext } from '../context.ts'

/** Entra tolerates five minutes between its clock and the client's. */
export const CLOCK_TOLERANCE_SECONDS = 300

/**
 * The same assertion may come again until it expires: MSAL re-sends one for ten minutes, so `jti` is not remembered.
 *
 * @throws EntraError 700027 key or signature, 700024 time, 700023 audience
 */
export async function verifyCertificateAssertion (assertion: string, context: TokenContext): Promise<void> {
  const certificate = findCertificate(assertion, context.client)
  const payload = await verifySignature(assertion, certificate, context.world)
  if (payload.sub !== context.client.clientId) throw new EntraError(700027, { detail: "'sub' is not the client id." })
  if (!isAudienceOf(payload.aud, context)) throw new EntraError(700023, { detail: `'aud' is ${String(payload.aud)}.` })
}

/** PS256 names its certificate by `x5t#S256`, legacy RS256 by `x5t`; `x5c` is accepted and not needed. */
function findCertificate (assertion: string, client: App): AppCertificate {
  const header = decodeProtectedHeader(assertion)
  const found = client.certificates.find(({ x5t, x5tS256 }) =>
    header['x5t#S256'] === x5tS256 || (header.alg === 'RS256' && header.x5t === x5t))
  if (found === undefined) throw new EntraError(700027, { detail: 'The key was not found.' })
  return found
}

async function verifySignature (assertion: string, certificate: AppCertificate, world: World): Promise<JWTPayload> {
  try {
    const { payload } = await jwtVerify(assertion, createPublicKey(certificate.pem), {
      algorithms: ['PS256', 'RS256'],
      currentDate: new Date(world.clock.now()),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp', 'aud', 'iss', 'sub']
    })
    return payload
  } catch (error) {
    throw refusalOf(error)
  }
}

/** `exp` and `nbf` are a matter of time, everything else one of the key. */
export function refusalOf (error: unknown): EntraError {
  const isTime = error instanceof errors.JWTExpired || (error instanceof errors.JWTClaimValidationFailed && error.claim === 'nbf')
  return new EntraError(isTime ? 700024 : 700027)
}

/** The token endpoint or the issuer of this tenant by any of its names, also on Microsoft's host (way C of the README). */
function isAudienceOf (aud: string | string[] | undefined, { tenant, request, world }: TokenContext): boolean {
  if (typeof aud !== 'string' || !URL.canParse(aud)) return false
  const { host, pathname } = new URL(aud)
  const names = [request.tenantName, ...(tenant === null ? [] : [tenant.id, ...tenant.domains])]
  const paths = names.flatMap((name) => [`/${name}/oauth2/v2.0/token`, `/${name}/v2.0`])
  return [new URL(world.origin).host, 'login.microsoftonline.com'].includes(host) && paths.includes(pathname)
}
