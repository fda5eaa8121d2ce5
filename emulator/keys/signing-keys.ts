/** This file holds the token signing keys: the current one, the next, and those still published for old tokens. */
import { createHash, createPrivateKey, createPublicKey, generateKeyPair, X509Certificate, type KeyObject } from 'node:crypto'
import { promisify } from 'node:util'
import { createCertificate } from '../tls/certificate.ts'

const YEAR_MS = 365 * 86_400_000

export interface SigningKey {
  /** base64url SHA-1 thumbprint of the certificate, 27 characters; also `x5t`. */
  readonly kid: string
  readonly privateKey: KeyObject
  readonly certificate: Buffer
}

/** A key as text, for a snapshot. */
export interface KeptKey {
  readonly privateKey: string
  readonly certificate: string
}

export interface SigningKeys {
  current (): SigningKey
  /** Published keys: current, next, and previous ones that an emergency has not dropped. */
  published (): readonly SigningKey[]
  /** Next becomes current. `normal` keeps publishing the previous ones, `emergency` drops them. */
  rotate (mode: 'normal' | 'emergency'): Promise<void>
  /** A key no JWKS ever had. */
  unknown (): Promise<SigningKey>
  /** A key that was published once and no longer is. */
  retired (): Promise<SigningKey>
  keep (): readonly KeptKey[]
  restore (kept: readonly KeptKey[]): void
}

const generate = promisify(generateKeyPair)

export async function createSigningKeys (): Promise<SigningKeys> {
  // Current first, next second, then the previous ones.
  let ring: SigningKey[] = await Promise.all([createKey(), createKey()])
  let dropped: SigningKey | undefined
  return {
    current: () => ring[0]!,
    published: () => ring,
    rotate: async (mode) => {
      const [current, next, ...previous] = ring
      ring = [next!, await createKey(), ...(mode === 'normal' ? [current!, ...previous] : [])]
      if (mode === 'emergency') dropped = current
    },
    unknown: createKey,
    retired: async () => (dropped ??= await createKey()),
    keep: () => ring.map(keepKey),
    restore: (kept) => { ring = kept.map(restoreKey) }
  }
}

async function createKey (): Promise<SigningKey> {
  const { privateKey } = await generate('rsa', { modulusLength: 2048 })
  const subject = 'emulator signing key'
  const certificate = createCertificate({
    subject,
    issuer: subject,
    holderKey: privateKey,
    signingKey: privateKey,
    notBefore: new Date(Date.now() - YEAR_MS),
    notAfter: new Date(Date.now() + 5 * YEAR_MS),
    isAuthority: false,
    hosts: []
  })
  return { kid: thumbprint(certificate), privateKey, certificate }
}

const thumbprint = (certificate: Buffer) => createHash('sha1').update(certificate).digest('base64url')

function keepKey (key: SigningKey): KeptKey {
  const privateKey = key.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  return { privateKey, certificate: key.certificate.toString('base64') }
}

function restoreKey (kept: KeptKey): SigningKey {
  const certificate = Buffer.from(kept.certificate, 'base64')
  return { kid: thumbprint(certificate), privateKey: createPrivateKey(kept.privateKey), certificate }
}

/** One entry of the JWKS. Entra gives no `alg`: the verifier has to fix RS256 itself. */
export function toJwk (key: SigningKey, issuer: string): Record<string, unknown> {
  const { n, e } = createPublicKey(key.privateKey).export({ format: 'jwk' })
  return { kty: 'RSA', use: 'sig', kid: key.kid, x5t: key.kid, n, e, x5c: [key.certificate.toString('base64')], issuer }
}

/** Public key of a published key, for the emulator's own APIs. */
export function publicKeyOf (key: SigningKey): KeyObject {
  return new X509Certificate(key.certificate).publicKey
}
