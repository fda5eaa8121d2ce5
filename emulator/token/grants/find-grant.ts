/** This file finds whom a token request speaks for: by a code, a refresh token, a user's token, or nobody. */
import type { User } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'
import type { Platform } from '../../state.ts'
import type { ClientStrength } from '../../tokens/access-token.ts'
import { GRANT_TYPES, type GrantType, type Subject, type TokenContext } from '../context.ts'
import { redeemCode } from './code.ts'
import { readUserAssertion } from './on-behalf-of.ts'
import { readRefreshToken } from './refresh-token.ts'

type FindSubject = (context: TokenContext) => Subject | null | Promise<Subject>

const BY_GRANT: Readonly<Record<GrantType, FindSubject>> = {
  [GRANT_TYPES.code]: redeemCode,
  [GRANT_TYPES.refresh]: readRefreshToken,
  [GRANT_TYPES.onBehalfOf]: readUserAssertion,
  [GRANT_TYPES.client]: requireTenanted
}

export async function findGrant (context: TokenContext): Promise<void> {
  context.subject = await BY_GRANT[context.grantType](context)
  if (context.subject === null) return
  const { user, platform } = context.subject
  context.tenant = context.world.state.tenants.find(({ id }) => id === user.tenantId)!
  requireFittingCredential(platform, context.clientStrength)
}

/** A code for a web server wants its credential, one for an installed app must come without. */
function requireFittingCredential (platform: Platform, strength: ClientStrength): void {
  if (platform === 'web' && strength === '0') throw new EntraError(7000218)
  if (platform === 'publicClient' && strength !== '0') throw new EntraError(700025)
}

/** client_credentials has no user to tell the tenant by. */
function requireTenanted ({ tenant }: TokenContext): null {
  if (tenant === null) throw new EntraError(50059)
  return null
}

/** @throws EntraError 70000 when the user is gone from the directory */
export function requireUser ({ world }: TokenContext, { tenantId, oid }: { tenantId: string, oid: string }): User {
  const user = world.state.tenants.find(({ id }) => id === tenantId)?.users.find((candidate) => candidate.oid === oid)
  if (user === undefined) throw new EntraError(70000, { detail: 'The user no longer exists.' })
  return user
}
