/** This file checks that the user may still get tokens. */
import { EntraError } from '../errors/entra-error.ts'
import type { TokenContext } from './context.ts'

export function requireActiveUser ({ subject }: TokenContext): void {
  if (subject?.user.state === 'disabled') throw new EntraError(50057)
}

/** A password reset or a revocation kills every grant issued before it; a later sign-in is not touched. */
export function refuseRevokedGrant ({ subject }: TokenContext): void {
  if (subject?.isRevoked === true) throw new EntraError(50173)
}
