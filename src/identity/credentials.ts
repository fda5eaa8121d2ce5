/**
 * This file holds the gateway's credentials in their order: the first that loads is used; one that the provider rejects
 * is reloaded, and if that does not help the next is tried.
 */
import { errors } from '../errors.ts'
import type { Log } from './log.ts'
import type { ClientAuth } from './msal.ts'
import { classify, providerErrorOf, ProviderUnavailable } from './outcome.ts'

/** One configured credential. */
export interface Credential {
  /** For logs: the source type, never what it holds. */
  readonly name: string
  /** Whether loading it again can make a difference. */
  readonly isReloadable: boolean
  /** @throws CredentialError it cannot be read or used */
  load (): Promise<ClientAuth>
  /** Forgets what was read and signed: the provider rejected it. */
  forget (): void
  /** Ends the connections it has to a service. */
  close (): Promise<void>
}

/** A credential that cannot be read or used. The message holds no secret. */
export class CredentialError extends Error {
  override readonly name: string = 'CredentialError'
}

/** The service that keeps the credential does not answer. */
export class CredentialUnavailable extends CredentialError {
  override readonly name = 'CredentialUnavailable'
}

export interface Credentials {
  /**
   * Runs an attempt with a credential, and again with a reloaded one and with the next ones while the provider rejects
   * them. The provider authenticates the client before it looks at anything else: a rejected attempt spends nothing.
   *
   * @throws SG_PROVIDER_MISCONFIGURED no credential loads, SG_PROVIDER_UNAVAILABLE the last one may load later; otherwise
   *   what the last attempt threw
   */
  use<T> (attempt: (auth: ClientAuth) => Promise<T>): Promise<T>
  close (): Promise<void>
}

export function createCredentials (credentials: readonly Credential[], log: Log): Credentials {
  const tries = credentials.flatMap(credential => credential.isReloadable ? [credential, credential] : [credential])
  /** Index of the one that worked last: a rejected first one is not tried before every call. */
  let preferred = 0

  return {
    async use (attempt) {
      let failure: unknown
      for (const step of tries.keys()) {
        const index = (preferred + step) % tries.length
        const credential = tries[index]!
        try {
          const result = await attempt(await credential.load())
          preferred = tries.indexOf(credential)
          return result
        } catch (error) {
          if (!isRejection(error)) throw error
          failure = error
          credential.forget()
          const cause = error instanceof CredentialError ? undefined : providerErrorOf(error)
          log.error({ err: error, credential: credential.name, cause }, 'a client credential cannot be used')
        }
      }
      throw codedFailure(failure)
    },
    async close () {
      await Promise.all(credentials.map(async credential => { await credential.close() }))
    }
  }
}

/** A secret from the config. */
export function createClientSecret (clientSecret: string): Credential {
  return { name: 'ClientSecret', isReloadable: false, load: async () => ({ clientSecret }), forget () {}, async close () {} }
}

function codedFailure (failure: unknown): unknown {
  if (failure instanceof CredentialUnavailable) return new ProviderUnavailable(undefined, failure)
  return failure instanceof CredentialError ? new errors.SG_PROVIDER_MISCONFIGURED({ cause: failure }) : failure
}

function isRejection (error: unknown): boolean {
  if (error instanceof CredentialError) return true
  const verdict = classify(error, 'acquire')
  return verdict.kind === 'misconfigured' && verdict.isCredential
}
