/**
 * This file ends the sessions whose grant is dead at the provider: a request finds out when it wants a token, the background
 * when claims are due.
 */
import type { IdentityProvider } from '../identity/provider.ts'
import type { SessionsByUser } from '../session/by-user.ts'
import { type NameInLog, rememberName } from '../session/name-in-log.ts'
import { issuedAt } from '../session/newer-claims.ts'
import { type LiveSession, type SessionReader, takeClaims } from '../session/reader.ts'
import type { SessionRecords } from '../session/records.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Metrics } from '../telemetry/metrics.ts'

interface SessionParts {
  readonly reader: Pick<SessionReader, 'forget'>
  readonly records: Pick<SessionRecords, 'end'>
  readonly byUser: Pick<SessionsByUser, 'remove'>
  readonly metrics: Pick<Metrics, 'sessionEnded'>
  readonly nameInLog: NameInLog
  readonly log: Logger
}

interface ClaimsParts extends SessionParts {
  readonly provider: Pick<IdentityProvider, 'renewClaims'>
}

/** What needs the user, such as a second factor, waits until the user wants something that needs the claims. */
export async function renewClaims (parts: ClaimsParts, live: LiveSession): Promise<void> {
  const outcome = await parts.provider.renewClaims(live, issuedAt(live.session.claims))
  if (outcome.kind === 'claims') takeClaims(live, outcome.claims)
  else if (outcome.endSession) await endSession(parts, live)
}

/**
 * The account's tokens are gone already, and this session is of no use any more. Many requests find out at once, on several
 * replicas: the one that takes the record away counts and tells.
 */
export async function endSession (parts: SessionParts, live: LiveSession): Promise<void> {
  const { reader, records, byUser, metrics, nameInLog, log } = parts
  reader.forget(live.key)
  const isFirst = await records.end(live.key)
  // Again: a request in between may have read it.
  reader.forget(live.key)
  await byUser.remove(live.account, live.key)
  if (!isFirst) return
  metrics.sessionEnded('grant-dead')
  log.info({ event: 'session-ended', audit: true, reason: 'grant-dead', user: rememberName(nameInLog, live) }, 'the provider ended a session')
}
