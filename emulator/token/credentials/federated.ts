/** This file checks assertions of an external issuer (workload identity federation). */
import { createLocalJWKSet, decodeJwt, jwtVerify, type JSONWebKeySet } from 'jose'
import type { App } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'
import type { TokenContext } from '../context.ts'
import { CLOCK_TOLERANCE_SECONDS, refusalOf } from './certificate.ts'

type Credential = App['federated'][number]

/** @throws EntraError 700211 issuer, 700212 audience, 700213 subject, 700024 time, 700027 signature */
export async function verifyFederatedAssertion (assertion: string, { client, world }: TokenContext): Promise<void> {
  const credential = findCredential(assertion, client)
  try {
    await jwtVerify(assertion, createLocalJWKSet(credential.jwks as unknown as JSONWebKeySet), {
      algorithms: ['RS256'],
      currentDate: new Date(world.clock.now()),
      clockTolerance: CLOCK_TOLERANCE_SECONDS,
      requiredClaims: ['exp']
    })
  } catch (error) {
    throw refusalOf(error)
  }
}

/** Issuer, audience and subject have to be equal to one registered credential, letter by letter. */
function findCredential (assertion: string, client: App): Credential {
  const { iss, aud, sub } = decodeJwt(assertion)
  const byIssuer = client.federated.filter(({ issuer }) => issuer === iss)
  if (byIssuer.length === 0) throw new EntraError(700211, { detail: `'${iss}'.` })
  const byAudience = byIssuer.filter(({ audience }) => audience === aud || (Array.isArray(aud) && aud.includes(audience)))
  if (byAudience.length === 0) throw new EntraError(700212, { detail: `'${String(aud)}'.` })
  const found = byAudience.find(({ subject }) => subject === sub)
  if (found === undefined) throw new EntraError(700213, { detail: `'${sub}'.` })
  return found
}
