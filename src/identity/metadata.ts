/**
 * This file learns the provider's endpoints: once at start, with patience, and daily after that, unless the config has
 * them. MSAL is handed what is learned here and never looks for itself.
 */
import { setTimeout as delay } from 'node:timers/promises'
import type { Config } from '../config/schema.ts'
import type { JsonObject } from './answer.ts'
import type { Log } from './log.ts'
import type { ProviderNetwork } from './network.ts'
import { ProviderUnavailable } from './outcome.ts'
import { isGuid, isShared, issuerOf } from './tenant.ts'

/** What is known of the provider. */
export interface Metadata {
  /** For MSAL's `authorityMetadata`: only what MSAL needs, because each of its clients parses it. */
  readonly json: string
  /** The issuer of a token; `{tenantid}` stands for the tenant where the instance serves several. */
  readonly issuer: string
  readonly tokenEndpoint: string
  readonly jwksUri: string
  readonly endSessionEndpoint: string
}

export interface MetadataOptions {
  /** With a trailing slash. */
  readonly instance: string
  readonly tenantId: string
  /** Of the config: then no document is fetched, only keys. */
  readonly pinned?: Metadata | undefined
  readonly network: Pick<ProviderNetwork, 'getDocument'>
  readonly log: Log
  readonly random: () => number
  /** Also needed before the provider counts as ready; runs after each successful fetch. */
  readonly onLearned: (metadata: Metadata) => Promise<void>
  readonly refreshMs?: number
}

export interface MetadataSource {
  readonly ready: Promise<void>
  /** @throws SG_PROVIDER_UNAVAILABLE nothing has been learned yet */
  current (): Metadata
  isKnown (): boolean
  close (): void
}

const firstPauseMs = 1_000
const maxPauseMs = 60_000

export function createMetadataSource (options: MetadataOptions): MetadataSource {
  const { pinned, log, random, onLearned, refreshMs = 24 * 3_600_000 } = options
  const closing = new AbortController()
  let known: Metadata | undefined
  let settle = (): void => {}
  const ready = new Promise<void>(resolve => { settle = resolve })

  async function learn (): Promise<void> {
    const learned = pinned ?? await fetchMetadata(options)
    // A domain that has moved to another tenant would let that one's users in.
    if (known !== undefined && known.issuer !== learned.issuer) throw new TypeError('the issuer has changed')
    await onLearned(learned)
    known = learned
    settle()
  }

  async function keepLearning (): Promise<void> {
    for (let failures = 0; !closing.signal.aborted;) {
      try {
        await learn()
        failures = 0
      } catch (error) {
        failures++
        if (!closing.signal.aborted) log.warn({ err: error, failures }, 'the identity provider\'s metadata cannot be used')
      }
      const pauseMs = failures === 0 ? refreshMs : Math.min(firstPauseMs * 2 ** (failures - 1), maxPauseMs)
      // A tenth of a pause is random, so that replicas spread.
      await delay(pauseMs * (0.9 + 0.1 * random()), undefined, { signal: closing.signal, ref: false }).catch(() => {})
    }
  }

  keepLearning()
  return {
    ready,
    isKnown: () => known !== undefined,
    current () {
      if (known === undefined) throw new ProviderUnavailable()
      return known
    },
    close () { closing.abort() }
  }
}

/** @throws StsError there is no usable answer; TypeError the document does not speak for the tenant */
export async function fetchMetadata (
  { instance, tenantId, network }: Pick<MetadataOptions, 'instance' | 'tenantId' | 'network'>
): Promise<Metadata> {
  const document = await network.getDocument(`${instance}${tenantId}/v2.0/.well-known/openid-configuration`)
  return parseMetadata(document, instance, tenantId)
}

/**
 * Takes only a document that speaks for the configured instance and tenant: MSAL skips its own issuer check when
 * metadata is handed to it.
 *
 * @throws TypeError naming the member that does not fit
 */
export function parseMetadata (document: JsonObject, instance: string, tenantId: string): Metadata {
  const { origin } = new URL(instance)
  const endpoint = (name: string): string => {
    const value = document[name]
    if (typeof value !== 'string' || !URL.canParse(value) || new URL(value).origin !== origin) {
      throw new TypeError(`${name} is not an address at ${origin}`)
    }
    return value
  }
  const issuer = endpoint('issuer')
  if (!isIssuerOf(issuer, origin, tenantId)) throw new TypeError('issuer is not the configured tenant\'s')
  return metadataOf({
    issuer,
    authorizationEndpoint: endpoint('authorization_endpoint'),
    tokenEndpoint: endpoint('token_endpoint'),
    jwksUri: endpoint('jwks_uri'),
    endSessionEndpoint: endpoint('end_session_endpoint')
  })
}

/** @returns undefined when the config leaves it to the provider to say where its endpoints are */
export function pinnedMetadata (endpoints: Config['entra']['authorityMetadata']): Metadata | undefined {
  return endpoints.issuer === undefined ? undefined : metadataOf(endpoints as Endpoints)
}

interface Endpoints {
  readonly issuer: string
  readonly authorizationEndpoint: string
  readonly tokenEndpoint: string
  readonly jwksUri: string
  readonly endSessionEndpoint: string
}

function metadataOf ({ issuer, authorizationEndpoint, tokenEndpoint, jwksUri, endSessionEndpoint }: Endpoints): Metadata {
  const json = JSON.stringify({
    issuer,
    jwks_uri: jwksUri,
    authorization_endpoint: authorizationEndpoint,
    token_endpoint: tokenEndpoint,
    end_session_endpoint: endSessionEndpoint
  })
  return { json, issuer, tokenEndpoint, jwksUri, endSessionEndpoint }
}

/** A tenant that is configured by its domain has its GUID in the issuer. */
function isIssuerOf (issuer: string, origin: string, tenantId: string): boolean {
  const template = `${origin}/{tenantid}/v2.0`
  if (isShared(tenantId)) return issuer === template
  if (isGuid(tenantId)) return issuer === issuerOf(template, tenantId)
  const tid = issuer.slice(origin.length + 1, -'/v2.0'.length)
  return isGuid(tid) && issuer === issuerOf(template, tid)
}
