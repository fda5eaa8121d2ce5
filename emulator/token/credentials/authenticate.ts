/** This file authenticates the client: by secret, by certificate, by federated assertion, or as a public client. */
import { decodeJwt } from 'jose'
import { EntraError } from '../../errors/entra-error.ts'
import { GRANT_TYPES, type TokenContext } from '../context.ts'
import { readBasic } from './basic.ts'
import { verifyCertificateAssertion } from './certificate.ts'
import { verifyFederatedAssertion } from './federated.ts'
import { verifySecret } from './secret.ts'

const ASSERTION_TYPE = 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer'

export async function authenticateClient (context: TokenContext): Promise<void> {
  const { parameters, client, world } = context
  const secret = parameters.client_secret ?? readBasic(context.request.authorization)?.secret
  if (parameters.client_assertion !== undefined) {
    if (parameters.client_assertion_type !== ASSERTION_TYPE) throw new EntraError(7000216)
    await verifyAssertion(parameters.client_assertion, context)
    context.clientStrength = '2'
  } else if (secret !== undefined) {
    verifySecret(secret, client, world.clock.now())
    context.clientStrength = '1'
  } else {
    admitPublicClient(context)
    context.clientStrength = '0'
  }
}

/** An assertion the client issued itself is signed with its certificate; any other issuer must be federated. */
async function verifyAssertion (assertion: string, context: TokenContext): Promise<void> {
  const issuer = issuerOf(assertion)
  if (issuer === context.client.clientId) await verifyCertificateAssertion(assertion, context)
  else await verifyFederatedAssertion(assertion, context)
}

function issuerOf (assertion: string): string | undefined {
  try {
    return decodeJwt(assertion).iss
  } catch {
    throw new EntraError(700027, { detail: 'The assertion is not a JWT.' })
  }
}

/** findGrant then checks that the code was sent to a redirect URI of a public platform. */
function admitPublicClient ({ client, grantType }: TokenContext): void {
  if (grantType === GRANT_TYPES.client) throw new EntraError(7000216)
  const { spa, publicClient } = client.redirectUris
  if (spa.length + publicClient.length === 0) throw new EntraError(7000218)
}
