/** This file signs JWTs, those for Microsoft Graph in Graph's own way, and checks them again. */
import { createHash, randomBytes } from 'node:crypto'
import { decodeProtectedHeader, jwtVerify, SignJWT, type JWTHeaderParameters, type JWTPayload } from 'jose'
import { publicKeyOf, type SigningKey } from '../keys/signing-keys.ts'
import type { World } from '../world.ts'

export type Claims = Record<string, unknown>

export function signToken (claims: Claims, key: SigningKey, header: Partial<JWTHeaderParameters> = {}): Promise<string> {
  return new SignJWT(claims as JWTPayload)
    .setProtectedHeader({ typ: 'JWT', alg: 'RS256', kid: key.kid, ...header })
    .sign(key.privateKey)
}

/** v1 access tokens name the key twice. */
export function signTokenV1 (claims: Claims, key: SigningKey): Promise<string> {
  return signToken(claims, key, { x5t: key.kid })
}

/**
 * A Graph token: signed over a header with the *hash* of its nonce, sent with the nonce itself.
 *
 * Nobody but Graph can verify it, which is how the live service keeps clients from reading what is not theirs.
 */
export async function signGraphToken (claims: Claims, key: SigningKey): Promise<string> {
  const nonce = randomBytes(32).toString('base64url')
  const token = await signToken(claims, key, { x5t: key.kid, nonce: hash(nonce) })
  return replaceNonce(token, nonce)
}

const hash = (nonce: string) => createHash('sha256').update(nonce).digest('base64url')

/** Members keep their order: the signature covers the header letter by letter. */
function replaceNonce (token: string, nonce: string): string {
  const header = { ...decodeProtectedHeader(token), nonce }
  const [, payload, signature] = token.split('.')
  return [Buffer.from(JSON.stringify(header)).toString('base64url'), payload, signature].join('.')
}

/**
 * Verifies a token of this emulator: signature by a published key, and times by the emulator's clock.
 *
 * @throws jose's errors: JWTExpired, JWSSignatureVerificationFailed and so on
 */
export async function verifyToken (token: string, world: World): Promise<Claims> {
  const header = decodeProtectedHeader(token)
  const key = world.keys.published().find(({ kid }) => kid === header.kid)
  if (key === undefined) throw new Error('no published key has this kid')
  const signedForm = typeof header.nonce === 'string' ? replaceNonce(token, hash(header.nonce)) : token
  const { payload } = await jwtVerify(signedForm, publicKeyOf(key), { algorithms: ['RS256'], currentDate: new Date(world.clock.now()) })
  return payload
}
