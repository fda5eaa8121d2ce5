/** This file checks a configuration against its shape; shape.ts says what each member means. */
import { anything, count, date, flag, guid, list, mapOf, nullable, object, oneOf, range, text } from './checks.ts'
import type { EmulatorConfig } from './shape.ts'

const texts = list(text)
const resourceScopes = object({ resource: text, scopes: texts })

const user = object({ upn: text }, {
  oid: guid,
  name: text,
  mail: nullable(text),
  password: nullable(text),
  mfa: nullable(object({ method: oneOf('approve') })),
  state: oneOf('active', 'disabled', 'locked', 'passwordExpired'),
  roles: mapOf(texts),
  groups: texts,
  generateGroups: count,
  globalAdmin: flag,
  guestOf: guid,
  compliantDevice: flag
})

const app = object({ clientId: guid }, {
  name: text,
  publisher: text,
  verifiedPublisher: flag,
  state: oneOf('enabled', 'disabled'),
  audience: oneOf('single', 'multi'),
  redirectUris: object({}, { web: texts, spa: texts, publicClient: texts }),
  logoutUrl: text,
  secrets: list(object({ value: text }, { expires: date })),
  certificates: list(object({ pem: text })),
  federated: list(object({ issuer: text, subject: text, jwks: anything }, { audience: text })),
  requiredResourceAccess: list(resourceScopes),
  optionalClaims: object({}, { idToken: texts, accessToken: texts }),
  groupMembershipClaims: oneOf('None', 'SecurityGroup', 'ApplicationGroup', 'DirectoryRole', 'All'),
  assignmentRequired: flag,
  implicit: object({}, { idToken: flag, accessToken: flag }),
  identifierUris: texts,
  accessTokenVersion: oneOf(1, 2),
  scopes: list(object({ value: text }, { consent: oneOf('user', 'admin'), description: text })),
  appRoles: list(object({ value: text }, { for: oneOf('user', 'application') })),
  applicationPermissions: list(object({ resource: text, roles: texts })),
  preAuthorized: list(guid),
  knownClientApplications: list(guid)
})

const policy = object({ name: text }, {
  id: guid,
  enabled: flag,
  users: texts,
  apps: texts,
  authContext: text,
  grant: oneOf('mfa', 'block', 'compliantDevice', 'passwordChange'),
  signInFrequency: count
})

const tenant = object({ id: guid, domains: texts }, {
  name: text,
  settings: object({}, { userConsent: oneOf('all', 'none', 'verified'), adminConsentWorkflow: flag }),
  users: list(user),
  apps: list(app),
  grants: list(object({ client: text, resource: text, scopes: texts }, { principal: text })),
  policies: list(policy)
})

const config = object({ tenants: list(tenant) }, {
  origin: text,
  issuerMode: oneOf('own', 'microsoft'),
  tls: oneOf('auto', 'off'),
  lifetimes: object({}, { code: count, accessToken: range, idToken: count, refreshToken: count, cae: range }),
  quirks: object({}, {
    refreshReuse: oneOf('allow', 'revoke'),
    iatSkew: count,
    frontChannelIss: flag,
    strictRefreshScopes: flag,
    requireTokenScope: flag,
    descriptionStyle: oneOf('space', 'crlf'),
    codeLength: count,
    rtLength: count,
    staySignedIn: flag,
    silentConsentError: oneOf('consent_required', 'interaction_required'),
    errorPageStatus: count
  })
})

/** @throws Error with all problems at once, one a line */
export function checkConfig (value: unknown): EmulatorConfig {
  const problems: string[] = []
  config(value, 'config', problems)
  if (problems.length > 0) throw new Error(`the emulator's configuration has problems:\n${problems.join('\n')}`)
  return value as EmulatorConfig
}
