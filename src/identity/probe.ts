/**
 * This file tries the provider out before anybody has to sign in: whether its endpoints and keys are there, and whether it
 * takes the credentials of this gateway.
 */
import { AuthError } from '@azure/msal-node'
import { type Contact, type ContactOptions, createContact } from './contact.ts'
import { type Credential, CredentialError } from './credentials.ts'
import { fetchMetadata, type Metadata } from './metadata.ts'
import { providerErrorOf } from './outcome.ts'
import { StsError } from './sts-error.ts'
import { isShared } from './tenant.ts'

/** What trying a credential comes to. */
export type CredentialVerdict =
  | { readonly kind: 'accepted' }
  /**
   * It loads, and the provider was not asked: it is not known, it is no Entra ID, or several tenants sign in, of which each
   * would have to be asked.
   */
  | { readonly kind: 'loaded', readonly untried: 'unknown' | 'other' | 'shared' }
  | { readonly kind: 'unreadable', readonly error: CredentialError }
  /** `code`: AADSTS and a number, or the OAuth error. */
  | { readonly kind: 'rejected', readonly code: string }
  | { readonly kind: 'unanswered', readonly error: unknown }

export interface CredentialProbe {
  /** Its source type. */
  readonly name: string
  /** @param metadata - undefined: the provider is not known, so it is not asked */
  try (metadata: Metadata | undefined): Promise<CredentialVerdict>
}

export interface ProviderProbe {
  /** @throws StsError there is no usable answer; TypeError the document does not speak for the tenant */
  endpoints (): Promise<Metadata>
  /** @throws StsError there is no usable answer; TypeError there is no key to use */
  keys (metadata: Metadata): Promise<void>
  readonly credentials: readonly CredentialProbe[]
  close (): Promise<void>
}

/** @throws SG_CONFIG_INVALID `caFile` cannot be read */
export function createProviderProbe (options: ContactOptions): ProviderProbe {
  const contact = createContact(options)
  const { entra, pinned, network, signingKeys, credentials } = contact
  return {
    endpoints: async () => pinned ?? await fetchMetadata({ ...entra, network }),
    keys: async ({ jwksUri }) => { await signingKeys.refresh(jwksUri) },
    credentials: credentials.map(credential => ({
      name: credential.name, try: async metadata => await tryCredential(contact, credential, metadata)
    })),
    async close () {
      await Promise.all([network.close(), ...credentials.map(async credential => { await credential.close() })])
    }
  }
}

async function tryCredential (
  contact: Contact, credential: Credential, metadata: Metadata | undefined
): Promise<CredentialVerdict> {
  const { entra, pinned, msalWith } = contact
  try {
    const auth = await credential.load()
    if (metadata === undefined) return { kind: 'loaded', untried: 'unknown' }
    if (pinned !== undefined) return { kind: 'loaded', untried: 'other' }
    if (isShared(entra.tenantId)) return { kind: 'loaded', untried: 'shared' }
    // A token for the gateway itself opens nothing, and Entra locks no application out for a wrong credential.
    await msalWith(() => metadata).forApp(auth, { scopes: [`${entra.clientId}/.default`] })
    return { kind: 'accepted' }
  } catch (error) {
    if (error instanceof CredentialError) return { kind: 'unreadable', error }
    if (error instanceof StsError || !(error instanceof AuthError)) return { kind: 'unanswered', error }
    return isAboutClient(error) ? { kind: 'rejected', code: providerErrorOf(error) } : { kind: 'accepted' }
  }
}

/** The client is authenticated first: who is told of scopes, consent or assignments has come past that. */
function isAboutClient ({ errorCode }: AuthError): boolean {
  return !pastTheClient.has(errorCode)
}

const pastTheClient = new Set(['invalid_scope', 'invalid_resource', 'invalid_target', 'invalid_grant', 'access_denied'])
