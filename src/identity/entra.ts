/** This file is Microsoft Entra ID behind the four functions of provider.ts, on MSAL. */
import { readFileSync } from 'node:fs'
import type { Config } from '../config/schema.ts'
import type { ScopeSet } from '../config/scope-sets.ts'
import { parseScope } from '../config/scopes.ts'
import { errors, SignInRequired } from '../errors.ts'
import type { KeyRing } from '../store/key-ring.ts'
import type { Store } from '../store/store.ts'
import { createBackOff } from './back-off.ts'
import { createBroker } from './broker.ts'
import { parseClaimsRequest } from './claims.ts'
import { createCredential } from './credential-sources.ts'
import { createCredentials } from './credentials.ts'
import { verifyIdToken, type IdTokenExpectation } from './id-token.ts'
import type { Log } from './log.ts'
import { createMetadataSource } from './metadata.ts'
import { createMsal } from './msal.ts'
import { createProviderNetwork, type ProviderCall } from './network.ts'
import { classify, codedError, isCoded } from './outcome.ts'
import type { CodeRedemption, IdClaims, RunningProvider, SignedIn, SignInLimits } from './provider.ts'
import { createReadyTokens } from './ready-tokens.ts'
import { createRenewal } from './renewal.ts'
import { createRounds } from './rounds.ts'
import { createSigningKeys } from './signing-keys.ts'
import { isShared, issuerOf } from './tenant.ts'
import { createAccountRecords, createPartition } from './token-cache.ts'

export interface EntraOptions {
  readonly entra: Config['entra']
  /** As registered: `publicUrl` with `/.auth/callback`. */
  readonly redirectUri: string
  /** Those of the compiled config; `acquire` takes an index into them. */
  readonly scopeSets: readonly ScopeSet[]
  readonly store: Store
  readonly keys: KeyRing
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly log: Log
  /** From 0 to 1, for jitter. */
  readonly random?: () => number
  readonly onCall?: (call: ProviderCall) => void
}

/**
 * Starts to learn the provider's endpoints and returns at once.
 *
 * @throws SG_CONFIG_INVALID `caFile` cannot be read
 */
export function createEntraProvider (options: EntraOptions): RunningProvider {
  const parts = createParts({ ...options, entra: canonical(options.entra) })
  const { network, metadata, msal, broker } = parts
  return {
    signInUrl: request => msal.signInUrl({ ...request, claims: parseClaimsRequest(request.claims) }),
    redeem: (request, limits) => redeem({ ...request, claims: parseClaimsRequest(request.claims) }, limits, parts),
    acquire: broker.acquire,
    async signOutUrl (holder, { postLogoutRedirectUri, loginHint, dropAccount }) {
      if (holder !== undefined) await broker.forget(holder, dropAccount)
      const url = new URL(metadata.current().endSessionEndpoint)
      url.searchParams.set('post_logout_redirect_uri', postLogoutRedirectUri)
      if (loginHint !== undefined) url.searchParams.set('logout_hint', loginHint)
      return url.href
    },
    isReady: metadata.isKnown,
    ready: metadata.ready,
    async close () {
      metadata.close()
      await network.close()
    }
  }
}

type Parts = ReturnType<typeof createParts>

function createParts (options: EntraOptions) {
  const { entra, redirectUri, scopeSets, store, keys, now, log, random = Math.random, onCall } = options
  const { clientId, instance, tenantId } = entra
  const network = createProviderNetwork({ origin: new URL(instance).origin, ca: readCa(entra.caFile), now, onCall })
  const signingKeys = createSigningKeys(network, now)
  const metadata = createMetadataSource({
    instance, tenantId, network, log, random, onLearned: ({ jwksUri }) => signingKeys.refresh(jwksUri)
  })
  const msal = createMsal({ clientId, instance, tenantId, redirectUri, network: network.module, metadata: metadata.current })
  const configured = entra.clientCredentials.map(credential => createCredential(credential, { clientId, now, random }))
  const credentials = createCredentials(configured, log)
  const records = createAccountRecords({ store, keys, clientId, now })

  function verify (idToken: string, expected: IdTokenExpectation): Promise<IdClaims> {
    const { issuer } = metadata.current()
    const template = `${instance}{tenantid}/v2.0`
    const isAllowedTenant = isShared(tenantId)
      ? (tid: string) => entra.allowedTenants.includes(tid)
      : (tid: string) => issuer === issuerOf(template, tid)
    return verifyIdToken(idToken, { clientId, issuer: template, isAllowedTenant, keys: signingKeys, now: now() }, expected)
  }

  const broker = createBroker({
    scopeSets,
    records,
    renewal: createRenewal({ msal, credentials, verify: idToken => verify(idToken, {}), now, random }),
    ready: createReadyTokens(),
    backOff: createBackOff(now, random),
    rounds: createRounds(now),
    now,
    random,
    log
  })
  return { network, metadata, msal, credentials, records, verify, broker, keyId: keys.sealingId }
}

async function redeem (request: CodeRedemption, limits: SignInLimits, parts: Parts): Promise<SignedIn> {
  const { msal, credentials, records, verify, broker, keyId } = parts
  const scopes = scopesOfOneResource(request.scopes)
  const [result, cache] = await credentials.use(async auth => {
    const partition = createPartition('')
    return [await msal.redeem(partition, auth, { ...request, scopes }), partition.changed()] as const
  }).catch(error => { throw redemptionError(error, request) })
  const claims = await verify(result.idToken, { nonce: request.nonce })
  if (result.account === null || cache === undefined) throw new errors.SG_INTERNAL({ cause: new TypeError('MSAL kept nothing') })
  const { homeAccountId, environment } = result.account
  const account = { tid: claims.tid, oid: claims.oid, homeAccountId, environment, keyId }
  await broker.adopt(records.keyOf(account), { sub: claims.sub, endsAt: limits.absoluteEndsAt, cache })
  return { account, claims }
}

/** As tokens and endpoints write it: GUIDs in lower case, the instance with a slash at the end. */
function canonical (entra: Config['entra']): Config['entra'] {
  return {
    ...entra,
    instance: `${new URL(entra.instance).origin}/`,
    tenantId: entra.tenantId.toLowerCase(),
    clientId: entra.clientId.toLowerCase(),
    allowedTenants: entra.allowedTenants.map(tid => tid.toLowerCase())
  }
}

function readCa (caFile: string | undefined): string | undefined {
  try {
    return caFile === undefined ? undefined : readFileSync(caFile, 'utf8')
  } catch (cause) {
    throw new errors.SG_CONFIG_INVALID({ cause })
  }
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
  return new SignInRequired({ reason: verdict.reason, scopes, claims: verdict.claims ?? claims })
}
