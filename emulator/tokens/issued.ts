/** This file keeps the log of issued tokens: the demo API and on-behalf-of look a `uti` up in it, tests read it. */
import type { Authentication } from '../state.ts'
import type { World } from '../world.ts'
import type { Claims } from './sign.ts'

export interface IssuedRecord {
  readonly kind: 'access' | 'id'
  readonly claims: Claims
  readonly clientId: string
  readonly authentication: Authentication | null
}

/** Called with final claims; tokens forged later on are not in the log. */
export function recordIssued ({ kind, claims, clientId, authentication }: IssuedRecord, world: World): void {
  const uti = String(claims.uti)
  world.state.issued.set(uti, {
    uti,
    kind,
    aud: String(claims.aud),
    scp: String(claims.scp ?? ''),
    clientId,
    oid: String(claims.oid),
    expiresAt: Number(claims.exp) * 1000,
    revoked: false,
    authentication
  })
}
