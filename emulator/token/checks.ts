/** This file is the token endpoint's order of checks: the first that fails answers. */
import type { TokenContext } from './context.ts'
import { authenticateClient } from './credentials/authenticate.ts'
import { findClientOfRequest } from './find-client.ts'
import { findGrant } from './grants/find-grant.ts'
import { findTenantOfPath } from './find-tenant.ts'
import { refuseDuplicates, requireForm } from './form.ts'
import { requireFields, requireKnownGrant, requireWellFormedHandle } from './fields.ts'
import { refuseRevokedGrant, requireActiveUser } from './user.ts'
import { requireAssignment } from './assignment.ts'
import { requireConsent } from './consent.ts'
import { requirePolicies } from './policies.ts'
import { resolveScope } from './scope.ts'

/** @throws EntraError */
export type TokenCheck = (context: TokenContext) => void | Promise<void>

export const TOKEN_CHECKS: readonly TokenCheck[] = [
  requireForm, //              900144 another content type
  refuseDuplicates, //         90100
  findTenantOfPath, //         90002
  requireKnownGrant, //        70003
  requireFields, //            900144
  requireWellFormedHandle, //  9002313 before the credential, as the live service does
  findClientOfRequest, //      700038, 700016, 7000112
  authenticateClient, //       7000218, 7000215, 7000222, 700024, 700027, 7000216, 70021x
  findGrant, //                70000, 54005, 70008, 700082, 700084, 700005, 500112, 501481, 7000218, 700025; 50013, 500131, 500133
  requireActiveUser, //        50057
  refuseRevokedGrant, //       50173
  resolveScope, //             70011, 28000, 28003, 500011, 650053, 90009, 1002012
  requireConsent, //           65001
  requireAssignment, //        50105, 501051
  requirePolicies //           50076, 50078, 50079, 53000, 53003, 70043
]
