/** This file is Microsoft Entra ID behind the functions of provider.ts, on MSAL. */
import { contextDemandedBy } from '../config/auth-context.ts'
import type { CompiledConfig } from '../config/compile.ts'
import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/schema.ts'
import type { ScopeSet } from '../config/scope-sets.ts'
import { parseScope } from '../config/scopes.ts'
import { errors, SignInRequired } from '../errors.ts'
import type { KeyRing } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import { createAppTokens } from './app-tokens.ts'
import { createBackOff } from './back-off.ts'
import { verifyApiToken } from './api-token.ts'
import { createBroker } from './broker.ts'
import { createCallers } from './callers.ts'
import { parseClaimsRequest } from './claims.ts'
import { createContact } from './contact.ts'
import { createCredentials } from './credentials.ts'
import { verifyIdToken, type IdTokenExpectation } from './id-token.ts'
import type { Log } from './log.ts'
import { verifyLogoutToken } from './logout-token.ts'
import { createMetadataSource } from './metadata.ts'
import type { ProviderCall } from './network.ts'
import { createGroups } from './groups.ts'
import { createNewestClaims } from './newest-claims.ts'
import { createOnBehalfOf } from './on-behalf-of.ts'
import { classify, codedError, isCoded, providerErrorOf } from './outcome.ts'
import type { ApiCaller } from './holder.ts'
import type { CodeRedemption, IdClaims, RunningProvider, SignedIn, SignInLimits } from './provider.ts'
import type { ProviderTokenRules } from './provider-token.ts'
import { createReadyTokens } from './ready-tokens.ts'
import { refusalOf } from './refusal.ts'
import { createRenewal } from './renewal.ts'
import { createRounds } from './rounds.ts'
import { isShared, issuerOf } from './tenant.ts'
import { createAccountRecords, createPartition } from './token-cache.ts'
import { createV1Issuer } from './v1-issuer.ts'

export interface EntraOptions {
  readonly entra: Config['entra']
  readonly environment?: Environment
  /** As registered: `publicUrl` with `/.auth/callback`. */
  readonly redirectUri: string
  /** Those of the compiled config; `acquire` takes an index into them. */
  readonly scopeSets: readonly ScopeSet[]
  /** Groups that rules name, and the scope set of the tokens to look them up with. */
  readonly groups?: CompiledConfig['groups']
  readonly store: Store
  readonly keys: KeyRing
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Log
  /** From 0 to 1, for jitter. */
  readonly random?: () => number
  readonly onCall?: (call: ProviderCall) => void
  /** An API client came with a token that was not seen before, or not for some minutes. */
  readonly onCaller?: (caller: ApiCaller) => void
}

/**
 * Starts to learn the provider's endpoints and returns at once.
 *
 * @throws SG_CONFIG_INVALID `caFile` cannot be read
 */
export function createEntraProvider (options: EntraOptions): RunningProvider {
  const parts = createParts(options)
  const { entra, hasTenants, network, metadata, msal, credentials, broker, groups, tokenRules, identify } = parts
  return {
    signInUrl: request => msal.signInUrl({ ...request, claims: parseClaimsRequest(request.claims) }),
    redeem: (request, limits) => redeem({ ...request, claims: parseClaimsRequest(request.claims) }, limits, parts),
    refusal: (failure, asked) => refusalOf(failure, asked, { ...entra, redirectUri: options.redirectUri, hasTenants }),
    identify,
    acquire: broker.acquire,
    newestClaims: broker.newestClaims,
    renewClaims: broker.renewClaims,
    groupsOf: groups,
    rejected: broker.rejected,
    async signOutUrl (holder, { postLogoutRedirectUri, loginHint, dropAccount }) {
      if (holder !== undefined) await broker.forget(holder, dropAccount)
      const url = new URL(metadata.current().endSessionEndpoint)
      url.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUri)
      if (loginHint !== undefined) url.searchParams.set('logout_hint', loginHint)
      return url.href
    },
    verifyLogoutToken: async token => await verifyLogoutToken(token, tokenRules()),
    forget: (holder, { dropAccount }) => broker.forget(holder, dropAccount),
    async forgetUser (user) {
      for (const keyId of options.keys.ids) await broker.forgetAccount({ ...user, keyId })
    },
    isReady: metadata.isKnown,
    ready: metadata.ready,
    async close () {
      metadata.close()
      await Promise.all([network.close(), credentials.close()])
    }
  }
}

type Parts = ReturnType<typeof createParts>

function createParts (options: EntraOptions) {
  const { environment = {}, redirectUri, scopeSets, store, keys, now, log, random = Math.random, onCall } = options
  const { onCaller = () => {} } = options
  const contact = createContact({ entra: options.entra, environment, redirectUri, now, random, log, onCall })
  const { entra, pinned, graph, network, signingKeys } = contact
  const { clientId, instance, tenantId } = entra
  const hasTenants = pinned === undefined
  const metadata = createMetadataSource({
    instance, tenantId, pinned, network, log, random, onLearned: ({ jwksUri }) => signingKeys.refresh(jwksUri)
  })
  const msal = contact.msalWith(metadata.current)
  const credentials = createCredentials(contact.credentials, log)
  const records = createAccountRecords({ store, keys, clientId, now })

  function tokenRules (): ProviderTokenRules {
    const { issuer } = metadata.current()
    const common = { clientId, keys: signingKeys, now: now() }
    if (pinned !== undefined) {
      const other = { tid: tenantId, userClaim: entra.authorityMetadata.userClaim }
      return { ...common, issuer, isAllowedTenant: tid => tid === tenantId, other }
    }
    const template = `${instance}{tenantid}/v2.0`
    const isAllowedTenant = isShared(tenantId)
      ? (tid: string) => entra.allowedTenants.includes(tid)
      : (tid: string) => issuer === issuerOf(template, tid)
    return { ...common, issuer: template, isAllowedTenant }
  }

  function verify (idToken: string, expected: IdTokenExpectation): Promise<IdClaims> {
    return verifyIdToken(idToken, tokenRules(), expected)
  }

  const issuerOfV1 = createV1Issuer({ instance, tenantId, network, now })
  const identify = createCallers({
    verify: async token => await verifyApiToken(token, { ...tokenRules(), issuerOfV1 }), keys, now, onVerified: onCaller
  })
  const backOff = createBackOff({ store, now, random })
  const broker = createBroker({
    scopeSets,
    appTokens: createAppTokens({ msal, credentials, backOff, now, random }),
    onBehalfOf: createOnBehalfOf({ msal, credentials, verify: idToken => verify(idToken, {}), backOff, now, random }),
    records,
    newestClaims: createNewestClaims({ store, keys, now }),
    // Entra needs no more than OpenID Connect; B2C answers without an access token then, which is no answer to MSAL.
    identityScopes: pinned === undefined ? [] : scopesOfOneResource(entra.initialScopes),
    renewal: createRenewal({ msal, credentials, verify: idToken => verify(idToken, {}), now, random }),
    ready: createReadyTokens(),
    backOff,
    rounds: createRounds(now),
    now,
    random,
    log
  })
  const { named, scopeSet } = options.groups ?? { named: [], scopeSet: -1 }
  const groups = createGroups({ graph, network, named, acquire: holder => broker.acquire(holder, scopeSet), now })
  const keyId = keys.sealingId
  return { entra, hasTenants, network, metadata, msal, credentials, records, tokenRules, verify, identify, broker, groups, keyId }
}

async function redeem (request: CodeRedemption, limits: SignInLimits, parts: Parts): Promise<SignedIn> {
  const { msal, credentials, records, verify, broker, keyId } = parts
  const scopes = scopesOfOneResource(request.scopes)
  const [result, cache] = await credentials.use(async auth => {
    const partition = createPartition('')
    return [await msal.redeem(partition, auth, { ...request, scopes }), partition.changed()] as const
  }).catch(error => { throw redemptionError(error, request) })
  const claims = await verify(result.idToken, { nonce: request.nonce, authContext: contextDemandedBy(request.claims) })
  if (result.account === null || cache === undefined) throw new errors.SG_INTERNAL({ cause: new TypeError('MSAL kept nothing') })
  const { homeAccountId, environment } = result.account
  const account = { tid: claims.tid, oid: claims.oid, homeAccountId, environment, keyId }
  await broker.adopt(records.keyOf(account), { record: { sub: claims.sub, endsAt: limits.absoluteEndsAt, cache }, claims })
  return { account, claims }
}

/** A code is redeemed for one resource; the others are acquired later, without the user. */
function scopesOfOneResource (scopes: readonly string[]): readonly string[] {
  const parsed = scopes.map(parseScope)
  const first = parsed.find(({ resource }) => resource !== undefined)
  return parsed.filter(({ resource }) => resource === undefined || resource === first?.resource).map(({ text }) => text)
}

function redemptionError (error: unknown, { scopes, claims }: CodeRedemption): Error {
  if (isCoded(error)) return error
  const verdict = classify(error, 'callback')
  if (verdict.kind !== 'sign-in') return codedError(verdict, error)
  return new SignInRequired({ reason: verdict.reason, scopes, claims: verdict.claims ?? claims, cause: providerErrorOf(error) })
}
