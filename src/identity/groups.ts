/**
 * This file looks up the groups of a user whose ID token had no room for them: at Microsoft Graph, with a token of the user.
 *
 * What is kept of an answer are the groups that rules name, per session and for minutes: of a user in thousands of groups
 * that is next to nothing. An answer that is missing, late or not whole is a failure, never "no groups"; Graph is left alone
 * about that session for a while then, and about all of them when it says that there are too many calls.
 *
 * @see https://learn.microsoft.com/graph/api/directoryobject-getmemberobjects
 */
import { errors } from '../errors.ts'
import type { JsonObject } from './answer.ts'
import { createBoundedMap } from './bounded.ts'
import { createFlights } from './flights.ts'
import type { ProviderNetwork } from './network.ts'
import { ProviderUnavailable } from './outcome.ts'
import type { TokenHolder } from './holder.ts'
import type { GroupsOutcome, TokenOutcome, UserGroups } from './provider.ts'
import { StsError } from './sts-error.ts'

export interface GroupsOptions {
  /** The origin of Graph; undefined when nobody knows it. */
  readonly graph: string | undefined
  readonly network: Pick<ProviderNetwork, 'postJson'>
  /** Object ids that rules name, in lower case. */
  readonly named: readonly string[]
  /** A token for Graph. */
  readonly acquire: (holder: TokenHolder) => TokenOutcome | Promise<TokenOutcome>
  /** Epoch milliseconds. */
  readonly now: () => number
}

interface Kept {
  readonly groups: UserGroups
  /** Epoch milliseconds. */
  readonly at: number
}

interface Failure {
  readonly cause: unknown
  /** Epoch milliseconds. */
  readonly at: number
  /** For how long it is told again without asking. */
  readonly ms: number
}

const maxAgeMs = 600_000
/** When Graph does not say for how long it wants to be left alone. */
const failureMs = 10_000
const maxHolders = 10_000

const graphs: ReadonlyMap<string, string> = new Map([
  ['login.microsoftonline.com', 'https://graph.microsoft.com'],
  ['login.microsoftonline.us', 'https://graph.microsoft.us'],
  ['login.partner.microsoftonline.cn', 'https://microsoftgraph.chinacloudapi.cn']
])

/** The origin of the Graph that belongs to a cloud of Microsoft. @returns undefined for any other instance */
export function graphOf (instance: string): string | undefined {
  return graphs.get(new URL(instance).host)
}

/** @see IdentityProvider.groupsOf */
export function createGroups (options: GroupsOptions): (holder: TokenHolder) => GroupsOutcome | Promise<GroupsOutcome> {
  const { graph, network, acquire, now } = options
  const named = new Set(options.named)
  const kept = createBoundedMap<Kept>(maxHolders)
  const failures = createBoundedMap<Failure>(maxHolders)
  const flights = createFlights<GroupsOutcome>()
  let throttled: Failure | undefined

  /** @throws the failure again, for as long as Graph is to be left alone */
  function refuseWhilePaused (failure: Failure | undefined): void {
    if (failure === undefined) return
    const age = now() - failure.at
    // A clock that was set back makes the age negative.
    if (age >= 0 && age < failure.ms) throw codedError(failure.cause, failure.ms - age)
  }

  function failed (holder: TokenHolder, cause: unknown): never {
    const { status, retryAfterMs = failureMs } = cause as Partial<StsError>
    const failure = { cause, at: now(), ms: retryAfterMs }
    if (status === 429) throttled = failure
    else failures.set(holder.key, failure)
    throw codedError(cause, retryAfterMs)
  }

  async function ask (holder: TokenHolder): Promise<GroupsOutcome> {
    if (graph === undefined) throw new errors.SG_PROVIDER_MISCONFIGURED({ cause: new TypeError('entra.graphUrl is not set') })
    refuseWhilePaused(throttled)
    refuseWhilePaused(failures.get(holder.key))
    const token = await acquire(holder)
    if (token.kind !== 'token') return token
    // All kinds of groups: a rule that denies must not miss one that a token would have named.
    const request = { bearer: token.bearer, body: { securityEnabledOnly: false } }
    const { href } = new URL('/v1.0/me/getMemberObjects', graph)
    const answer = await network.postJson(href, request).then(parseIds).catch(cause => failed(holder, cause))
    const groups: UserGroups = { kind: 'groups', groups: answer.filter(id => named.has(id)) }
    kept.set(holder.key, { groups, at: now() })
    return groups
  }

  return holder => {
    const known = kept.get(holder.key)
    const age = now() - (known?.at ?? -Infinity)
    // A clock that was set back makes the age negative.
    if (known !== undefined && age >= 0 && age < maxAgeMs) return known.groups
    return flights.join(holder.key, async () => await ask(holder))
  }
}

function parseIds (answer: JsonObject): string[] {
  const { value, '@odata.nextLink': more } = answer
  const isWhole = Array.isArray(value) && value.every(id => typeof id === 'string') && more === undefined
  if (!isWhole) throw new StsError('sts_bad_response')
  return (value as string[]).map(id => id.toLowerCase())
}

/** Graph refuses a call for reasons of the registration, or because there are more groups than it lists. */
function codedError (cause: unknown, retryAfterMs: number): Error {
  const { status = 0 } = cause as Partial<StsError>
  if (status >= 400 && status < 500 && status !== 429) return new errors.SG_PROVIDER_MISCONFIGURED({ cause })
  return new ProviderUnavailable(retryAfterMs, cause)
}
