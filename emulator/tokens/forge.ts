/** This file makes hostile tokens, so that verifiers can be tested against them. */
import type { SigningKey } from '../keys/signing-keys.ts'
import type { World } from '../world.ts'
import { signToken, type Claims } from './sign.ts'

export interface Forgery {
  /** Laid over the genuine claims; null removes one. */
  readonly claims?: Claims
  /** `good`: current key. `unknown`: a key no JWKS ever had. `expired`: one no longer published. `none`: unsigned. */
  readonly key?: ForgeryKey
  /** Laid over the header, for instance the kid of a good key above a signature of an unknown one. */
  readonly header?: Claims
}

export type ForgeryKey = 'good' | 'unknown' | 'expired' | 'none'

export async function forgeToken (genuine: Claims, forgery: Forgery, world: World): Promise<string> {
  const changed = Object.entries({ ...genuine, ...forgery.claims }).filter(([, value]) => value !== null)
  const claims = Object.fromEntries(changed)
  const kind = forgery.key ?? 'good'
  if (kind === 'none') return unsigned(claims, forgery.header)
  return await signToken(claims, await keyOf(kind, world), forgery.header)
}

function keyOf (kind: Exclude<ForgeryKey, 'none'>, world: World): SigningKey | Promise<SigningKey> {
  switch (kind) {
    case 'good': return world.keys.current()
    case 'unknown': return world.keys.unknown()
    case 'expired': return world.keys.retired()
  }
}

/** RFC 7519 section 6: `alg: none` and an empty signature. */
function unsigned (claims: Claims, header: Claims = {}): string {
  const encode = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url')
  return `${encode({ typ: 'JWT', alg: 'none', ...header })}.${encode(claims)}.`
}
