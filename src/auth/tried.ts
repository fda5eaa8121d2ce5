/** This file says what a sign-in that failed leaves with its request: how to try it again, and who else could help. */
import type { SignInNeed } from '../errors.ts'

export interface TriedSignIn {
  readonly need: Pick<SignInNeed, 'scopes' | 'claims'>
  /** A local path, as `return-url.ts` let it through. */
  readonly returnUrl: string
  /** Of the session that the browser had, and still has: a sign-in that failed ends none. */
  readonly sessionKey: string | undefined
  /** Where an administrator can give the consent that was missing. */
  readonly adminConsentUrl?: string | undefined
}

declare module 'fastify' {
  interface FastifyRequest {
    /** The sign-in that this request was to finish, once it is known. */
    tried: TriedSignIn | undefined
  }
}
