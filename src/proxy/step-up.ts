/**
 * This file meets claims challenges: an upstream that refuses a token for the claims it lacks gets a token that has them, or
 * the user gets a sign-in that brings them. That is how APIs revoke long-lived tokens (continuous access evaluation) and ask
 * for another factor (authentication contexts).
 *
 * An authentication context is brought by a sign-in of the session itself: a token without the user could be from what
 * another session of the user was stepped up for. An API client is told what to get instead of a sign-in, and the gateway's
 * own token needs neither.
 *
 * It does not go round: a challenge that comes again after a token or a sign-in for it ends as `SG_SIGN_IN_LOOP`.
 */
import { createHash } from 'node:crypto'
import type { FastifyRequest } from 'fastify'
import { askAlsoOfIdToken, contextsAskedBy, hasContext } from '../config/auth-context.ts'
import type { CompiledRoute, ScopeSet } from '../config/compile.ts'
import { errors, problemOf, type SignInNeed, signInNeedOf, SignInRequired } from '../errors.ts'
import { createBoundedMap } from '../identity/bounded.ts'
import { parseClaimsRequest } from '../identity/claims.ts'
import type { TokenHolder } from '../identity/holder.ts'
import type { TokenOutcome } from '../identity/provider.ts'
import type { LiveSession } from '../session/reader.ts'
import { refusalOf } from './callers.ts'
import { overloaded } from './failure.ts'
import { type Guarded, type GuardDeps, holderFor, takeToken } from './guards.ts'

/** What an upstream asked for in its answer to a request with a token. */
export interface Challenge {
  readonly route: CompiledRoute
  /** A claims request as JSON text. */
  readonly claims: string
  /** Whether the request can be sent once more. */
  readonly isReplayable: boolean
}

export type Challenged = Guarded & Pick<FastifyRequest, 'log'>

export interface StepUp {
  /**
   * Gives the request a token for the challenge, to be sent once more with it.
   *
   * @throws SignInRequired only a sign-in brings these claims, or the request cannot be sent once more
   * @throws SG_SIGN_IN_LOOP a token or a sign-in for this challenge did not help a moment ago
   * @throws SG_SIGN_IN_REFUSED the provider blocks this user; SG_PROVIDER_UNAVAILABLE and the like
   */
  meet (request: Challenged, challenge: Challenge): Promise<void>
  /** Takes note of a 401 without a challenge: it passes, and a token that is not new is replaced behind it. */
  noteRejection (request: Guarded, route: CompiledRoute): void
}

/** Whether a challenge in the answer to a request would be met: the route says so, and the request has a token. */
export function isChallengeable ({ stepUp }: { readonly stepUp: StepUp | undefined }, { bearer }: Guarded): boolean {
  return stepUp !== undefined && bearer !== undefined
}

export interface StepUpOptions {
  readonly guards: Pick<GuardDeps, 'provider' | 'endSession' | 'now'>
  readonly scopeSets: readonly ScopeSet[]
}

/** The token that a session got for a challenge last. */
interface Met {
  readonly claims: string
  /** Its digest: tokens are kept in one place only. */
  readonly token: string
  readonly at: number
  /** How many such tokens in a row were challenged at once, this one included. */
  readonly row: number
}

/** So soon after a token or a sign-in for it, the same challenge says that neither helps. Later its answer may have expired. */
const helpsWithinMs = 300_000
/** An API that wants something else each time: so many tokens in a row, each within a minute of the one before. */
const maxRow = 10
const rowMs = 60_000
const maxRemembered = 10_000

export function createStepUp ({ guards, scopeSets }: StepUpOptions): StepUp {
  const { now } = guards
  const tokens = createBoundedMap<Met>(maxRemembered)

  async function renew (request: Challenged, challenge: Challenge): Promise<void> {
    const { route, claims, isReplayable } = challenge
    if (needsOwnSignIn(request, challenge)) throw againError(request, route, claims)
    const holder = holderFor(route, request)!
    const name = `${holder.key} ${route.scopeSet}`
    const refused = digestOf(request.bearer!)
    const last = tokens.get(name)
    if (last?.token === refused && isHelpless(last, claims)) throw new errors.SG_SIGN_IN_LOOP()
    const known = last?.claims === claims && last.token !== refused ? last.token : undefined
    await takeToken(guards, request, await tokenFor(holder, { scopeSet: route.scopeSet, claims, known }))
    const token = digestOf(request.bearer!)
    if (token === refused) throw new errors.SG_SIGN_IN_LOOP()
    if (token !== known) tokens.set(name, { claims, token, at: now(), row: last?.token === refused ? last.row + 1 : 1 })
    if (!isReplayable) throw againError(request, route, claims)
  }

  /** Where there is a new token it is in use from now on: whoever sends the request again may do so without more. */
  function againError ({ caller }: Challenged, { token, scopeSet }: CompiledRoute, claims: string): Error {
    if (token === 'app') return overloaded()
    const need = { reason: 'interaction_required', scopes: scopeSets[scopeSet]!.scopes, claims } as const
    return caller === undefined ? new SignInRequired(need) : refusalOf(need)
  }

  function isHelpless ({ claims, at, row }: Met, wanted: string): boolean {
    const ageMs = now() - at
    return claims === wanted ? ageMs < helpsWithinMs : row >= maxRow && ageMs < rowMs
  }

  /** @param known - the token that another request of the session got for the same challenge meanwhile */
  async function tokenFor (holder: TokenHolder, { scopeSet, claims, known }: Wanted): Promise<TokenOutcome> {
    const ready = known === undefined ? undefined : await guards.provider.acquire(holder, scopeSet)
    return ready?.kind === 'token' && digestOf(ready.bearer) === known ? ready : await guards.provider.acquire(holder, scopeSet, claims)
  }

  /** Whether the session is from a sign-in for these very claims. */
  function isTried (live: LiveSession | undefined, need: SignInNeed | undefined): boolean {
    if (live === undefined || need?.claims === undefined) return false
    return need.claims === live.session.askedClaims && now() - live.session.createdAt < helpsWithinMs
  }

  return {
    async meet (request, challenge) {
      const { live } = request
      const error = bringingContext(challenge, await renew(request, challenge).catch((error: unknown) => error))
      const failure = isTried(live, signInNeedOf(error)) ? new errors.SG_SIGN_IN_LOOP() : error
      const outcome = failure === undefined ? 'token' : problemOf(failure).code
      request.log.info({ event: 'claims-challenge', requestId: request.id, route: challenge.route.id, outcome }, 'an upstream asked for other claims')
      if (failure !== undefined) throw failure
    },
    noteRejection (request, route) { guards.provider.rejected(holderFor(route, request)!, route.scopeSet, request.bearer!) }
  }
}

interface Wanted {
  readonly scopeSet: number
  readonly claims: string
  readonly known: string | undefined
}

/**
 * Whether a challenge asks for an authentication context that this session's own sign-in did not satisfy. The provider does
 * not tell: sessions of a user share a grant, and with it what any one of them was stepped up for.
 */
function needsOwnSignIn ({ live }: Challenged, { route, claims }: Challenge): boolean {
  if (live === undefined || route.token === 'app') return false
  const contexts = contextsAskedBy(claims)
  return contexts.length > 0 && !contexts.some(context => hasContext(live.session.claims, context))
}

/** A sign-in for a context brings it in the ID token too, by which the session that it begins is judged. */
function bringingContext ({ claims }: Challenge, error: unknown): unknown {
  const need = signInNeedOf(error)
  const [context] = contextsAskedBy(claims)
  if (need?.claims === undefined || context === undefined) return error
  return new SignInRequired({ ...need, claims: askAlsoOfIdToken(parseClaimsRequest(need.claims) ?? claims, context) })
}

function digestOf (bearer: string): string {
  return createHash('sha256').update(bearer).digest('base64url')
}
