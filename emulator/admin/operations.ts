/** This file is what a test or an operator may do to a running emulator; the HTTP admin API calls the same functions. */
import type { GrantConfig, UserState } from '../config/shape.ts'
import { addGrant } from '../consent.ts'
import { buildGrant, buildTenants } from '../directory/build.ts'
import type { User } from '../directory/directory.ts'
import type { RequestLogEntry } from '../http/request-log.ts'
import { createLogoutToken, type LogoutOrder, type LogoutTokenOrder, sendLogout } from '../logout/back-channel.ts'
import { createState, type Browser, type IssuedToken, type State } from '../state.ts'
import { timeClaims } from '../tokens/claims.ts'
import { forgeToken, type Forgery } from '../tokens/forge.ts'
import { issuerV2, type World } from '../world.ts'
import { describeState } from './describe-state.ts'
import type { Fault } from './faults.ts'
import { headlessLogin, headlessToken, type LoginOrder, type TokenOrder } from './headless.ts'
import { appNamed, policyNamed, tenantNamed, userNamed } from './names.ts'
import { createSnapshot, restoreSnapshot, type Snapshot } from './snapshot.ts'

/** Users, apps and policies are named as in the config: UPN or oid; client id, App ID URI or name; policy id or name. */
export interface Admin {
  /** Seconds and epoch milliseconds or ISO text; the same clock rules lives, `iat` and the `Date` header. */
  readonly clock: {
    now (): number
    advance (seconds: number): void
    set (at: number | string): void
    freeze (frozen?: boolean): void
  }
  /** Directory without passwords and secrets, and how much of everything there is. */
  state (): Record<string, unknown>
  sessions (): Browser[]
  issued (): IssuedToken[]
  /** Back to the config; clock, faults and request log too. Signing keys stay. */
  reset (): void
  snapshot (): Snapshot
  restore (snapshot: Snapshot): void
  rotateKeys (mode?: 'normal' | 'emergency'): Promise<void>
  fault (fault: Fault): void
  clearFaults (): void
  updateUser (user: string, change: UserChange, tenant?: string): void
  setPolicy (policy: string, enabled: boolean): void
  grant (grant: GrantConfig, tenant?: string): void
  /** Takes back every grant that matches; absent members match all. @returns how many */
  revokeGrants (match: Partial<GrantConfig>, tenant?: string): number
  challenge (order: ChallengeOrder): void
  login (request: LoginOrder): { code: string, redirectUri: string }
  /** A genuine access token without any flow; no consent or policy is looked at. */
  token (order: TokenOrder): Promise<string>
  forge (forgery: Forgery, tenant?: string): Promise<string>
  /** A back-channel logout token, which Entra itself does not make. */
  logoutToken (order: LogoutTokenOrder): Promise<string>
  /** Sends one to the app. */
  logout (order: LogoutOrder): Promise<{ status: number, body: string }>
  requests (since?: number): RequestLogEntry[]
}

export interface UserChange {
  readonly state?: UserState
  /** Ends every refresh token (50173), and tokens in hand at APIs that do CAE. */
  readonly revoke?: boolean
  /** A new password, which also revokes. */
  readonly resetPassword?: string
  readonly mfa?: User['mfa']
  readonly compliantDevice?: boolean
  /** App role values by app, named as in the config; apps that are not named keep theirs. */
  readonly roles?: Readonly<Record<string, readonly string[]>>
  /** Group object ids. */
  readonly groups?: readonly string[]
}

export interface ChallengeOrder {
  readonly uti?: string
  readonly user?: string
  /** The API that challenges; default: every one. */
  readonly api?: string
}

export function createAdmin (world: World): Admin {
  return {
    clock: {
      now: () => world.clock.now(),
      advance: (seconds) => { world.clock.advance(seconds) },
      set: (at) => { world.clock.set(new Date(at).getTime()) },
      freeze: (frozen = true) => { world.clock.freeze(frozen) }
    },
    state: () => describeState(world),
    sessions: () => [...world.state.browsers.values()],
    issued: () => [...world.state.issued.values()],
    reset: () => { reset(world) },
    snapshot: () => createSnapshot(world),
    restore: (snapshot) => { restoreSnapshot(snapshot, world) },
    rotateKeys: (mode = 'normal') => world.keys.rotate(mode),
    fault: (fault) => { world.faults.add(fault) },
    clearFaults: () => { world.faults.clear() },
    updateUser: (user, change, tenant) => { updateUser(userNamed(user, tenant, world), change, world) },
    setPolicy: (policy, enabled) => { policyNamed(policy, world).enabled = enabled },
    grant: (grant, tenant) => { grantConsent(grant, tenant, world) },
    revokeGrants: (match, tenant) => revokeGrants(match, tenant, world),
    challenge: (order) => { challenge(order, world) },
    login: (order) => headlessLogin(order, world),
    token: (order) => headlessToken(order, world),
    forge: (forgery, tenant) => forge(forgery, tenant, world),
    logoutToken: (order) => createLogoutToken(order, world),
    logout: (order) => sendLogout(order, world),
    requests: (since) => world.requests.list(since)
  }
}

function reset (world: World): void {
  world.state = createState(buildTenants(world.config))
  world.faults.clear()
  world.requests.clear()
  world.clock.freeze(false)
  world.clock.set(Date.now())
}

function updateUser (user: User, change: UserChange, world: World): void {
  const { clock, state } = world
  if (change.state !== undefined) user.state = change.state
  if (change.mfa !== undefined) user.mfa = change.mfa
  if (change.compliantDevice !== undefined) user.compliantDevice = change.compliantDevice
  if (change.groups !== undefined) user.groups = [...change.groups]
  for (const [app, roles] of Object.entries(change.roles ?? {})) {
    user.roles[appNamed(app, tenantNamed(user.tenantId, world), world).clientId] = [...roles]
  }
  if (change.revoke === true || change.resetPassword !== undefined) revokeGrantsOf(user, state)
  if (change.resetPassword !== undefined) {
    user.password = change.resetPassword
    user.passwordChangedAt = clock.now()
    if (user.state === 'passwordExpired') user.state = 'active'
  }
}

/** What exists now ends; marked instead of compared by time, so that a frozen clock makes no difference. */
function revokeGrantsOf ({ oid }: User, { codes, refreshTokens, issued }: State): void {
  const records = [...codes.values(), ...refreshTokens.values(), ...issued.values()]
  for (const record of records) if (record.oid === oid) record.revoked = true
}

function grantConsent (grant: GrantConfig, tenantName: string | undefined, world: World): void {
  const tenant = tenantNamed(tenantName, world)
  addGrant(tenant, buildGrant(grant, tenant, world.state.tenants))
}

function revokeGrants (match: Partial<GrantConfig>, tenantName: string | undefined, world: World): number {
  const tenant = tenantNamed(tenantName, world)
  const client = match.client === undefined ? undefined : appNamed(match.client, tenant, world).clientId
  const resource = match.resource === undefined ? undefined : appNamed(match.resource, tenant, world).clientId
  const principal = match.principal === undefined || match.principal === 'all' ? match.principal : userNamed(match.principal, tenant.id, world).oid
  const kept = tenant.grants.filter((grant) =>
    (client !== undefined && grant.client !== client) ||
    (resource !== undefined && grant.resource !== resource) ||
    (principal !== undefined && grant.principal !== principal))
  const count = tenant.grants.length - kept.length
  tenant.grants = kept
  return count
}

/** Tokens issued later are not touched: they are what the challenge asks for. */
function challenge ({ uti, user, api }: ChallengeOrder, world: World): void {
  if (uti === undefined && user === undefined) throw new TypeError('a challenge needs uti or user')
  const oid = user === undefined ? undefined : userNamed(user, undefined, world).oid
  const audience = api === undefined ? undefined : appNamed(api, tenantNamed(undefined, world), world)
  const audiences = audience === undefined ? undefined : [audience.clientId, ...audience.identifierUris]
  for (const token of world.state.issued.values()) {
    const isMeant = (token.uti === uti || token.oid === oid) && (audiences?.includes(token.aud) ?? true)
    if (isMeant) token.revoked = true
  }
}

/** Starts from the claims every v2 token of the tenant has. */
function forge (forgery: Forgery, tenantName: string | undefined, world: World): Promise<string> {
  const { id } = tenantNamed(tenantName, world)
  const genuine = { iss: issuerV2(world, id), ...timeClaims(world, world.lifetimes.idToken), tid: id, ver: '2.0' }
  return forgeToken(genuine, forgery, world)
}
