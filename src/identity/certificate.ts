/**
 * This file proves the gateway's identity with a certificate: it signs client assertions, asynchronously and rarely,
 * because one signature costs as much as thirty requests.
 *
 * @see RFC 7523; https://learn.microsoft.com/entra/identity-platform/certificate-credentials
 */
import { createPrivateKey, randomUUID, X509Certificate, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import { CredentialError, type Credential } from './credentials.ts'

export interface CertificateOptions {
  readonly name: string
  readonly source: CertificateSource
  readonly password?: string | undefined
  readonly clientId: string
  /** Whether assertions carry the certificate and those that vouch for it: the provider then need not know it by itself. */
  readonly sendX5c: boolean
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly random: () => number
}

/** Where a certificate and its key come from. */
export interface CertificateSource {
  /** PEM or PFX; the same object as long as nothing has changed. @throws CredentialError */
  read (): Promise<Buffer>
  /** What was read was rejected: the next `read` looks anew. */
  distrust (): void
  close (): Promise<void>
}

/** A certificate and its key, ready to sign. */
export interface Signer {
  readonly key: KeyObject
  /** The certificate, and those that vouch for it but for the root: DER in base64, as `x5c` has them. */
  readonly chain: readonly string[]
  /** base64url SHA-256 of the certificate: by this the provider finds it. */
  readonly thumbprint: string
}

interface Assertion {
  readonly text: Promise<string>
  /** Epoch milliseconds. */
  readonly renewAt: number
}

/** Seconds. Assertions are renewed after 5 to 8 minutes, so that none is handed out in its last two. */
const assertionLife = 600
const minute = 60_000
const minKeyBits = 2048

export function createCertificate (options: CertificateOptions): Credential {
  const { name, source, password, now, random } = options
  let loaded: { readonly bytes: Buffer, readonly signer: Signer } | undefined
  /** By token endpoint, which is the audience: one per tenant. */
  let assertions = new Map<string, Assertion>()

  async function load (): Promise<Signer> {
    const bytes = await source.read()
    if (bytes === loaded?.bytes) return loaded.signer
    try {
      loaded = { bytes, signer: await parseCertificate(bytes, password, now()) }
      assertions = new Map()
    } catch (error) {
      // A file that is being written is read again at the next use; until then the one before it serves.
      if (loaded === undefined) throw error
    }
    return loaded.signer
  }

  function assertionFor (audience: string, signer: Signer): Promise<string> {
    const known = assertions.get(audience)
    const at = now()
    if (known !== undefined && at < known.renewAt && at > known.renewAt - 8 * minute) return known.text
    const text = sign(signer, { ...options, audience, issuedAt: Math.floor(at / 1000) })
    assertions.set(audience, { text, renewAt: at + (5 + 3 * random()) * minute })
    return text
  }

  return {
    name,
    isReloadable: true,
    async load () {
      const signer = await load()
      return { clientAssertion: ({ tokenEndpoint = '' }) => assertionFor(tokenEndpoint, signer) }
    },
    forget () {
      loaded = undefined
      source.distrust()
    },
    close: source.close
  }
}

interface AssertionContent extends Pick<CertificateOptions, 'clientId' | 'sendX5c'> {
  readonly audience: string
  /** Epoch seconds. */
  readonly issuedAt: number
}

async function sign ({ key, thumbprint, chain }: Signer, content: AssertionContent): Promise<string> {
  const { clientId, sendX5c, audience, issuedAt } = content
  return new SignJWT({})
    .setProtectedHeader({ alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint, ...(sendX5c ? { x5c: [...chain] } : {}) })
    .setIssuer(clientId)
    .setSubject(clientId)
    .setAudience(audience)
    .setJti(randomUUID())
    .setIssuedAt(issuedAt)
    .setNotBefore(issuedAt)
    .setExpirationTime(issuedAt + assertionLife)
    .sign(key)
}

/**
 * @param bytes - PEM with a private key and its certificate in any order, or PFX
 * @throws CredentialError it cannot be read, opened or used: no key, no certificate for it, expired, or not RSA of 2048 bits
 */
export async function parseCertificate (bytes: Buffer, password: string | undefined, now: number): Promise<Signer> {
  try {
    const pem = isPem(bytes) ? bytes.toString('latin1') : await openPfx(bytes, password)
    const key = createPrivateKey(isPem(bytes) && password !== undefined ? { key: pem, passphrase: password } : pem)
    const certificates = certificatesIn(pem)
    const certificate = certificates.find(candidate => candidate.checkPrivateKey(key))
    if (certificate === undefined) throw new CredentialError('there is no certificate for the private key')
    if (Date.parse(certificate.validTo) <= now) throw new CredentialError('the certificate has expired')
    if (key.asymmetricKeyType !== 'rsa' || (key.asymmetricKeyDetails?.modulusLength ?? 0) < minKeyBits) {
      throw new CredentialError('the key is not RSA of at least 2048 bits')
    }
    const chain = chainOf(certificate, certificates).map(({ raw }) => raw.toString('base64'))
    return { key, chain, thumbprint: Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url') }
  } catch (cause) {
    throw cause instanceof CredentialError ? cause : new CredentialError('the certificate cannot be opened', { cause })
  }
}

function isPem (bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ')
}

function certificatesIn (pem: string): X509Certificate[] {
  const blocks = pem.match(/-----BEGIN CERTIFICATE-----[\s\S]+?-----END CERTIFICATE-----/g) ?? []
  return blocks.map(block => new X509Certificate(block))
}

/** @returns the certificate, the one that signed it, and so on; without the root, which the other side must have itself */
function chainOf (certificate: X509Certificate, others: readonly X509Certificate[]): X509Certificate[] {
  const chain = [certificate]
  for (let next: X509Certificate | undefined = certificate; next !== undefined;) {
    const last: X509Certificate = next
    next = others.find(other => !isSelfSigned(other) && !chain.includes(other) && last.checkIssued(other))
    if (next !== undefined) chain.push(next)
  }
  return chain
}

function isSelfSigned (certificate: X509Certificate): boolean {
  return certificate.checkIssued(certificate)
}

/** Loaded when there is a PFX: nobody else pays for it. */
async function openPfx (bytes: Buffer, password: string | undefined): Promise<string> {
  const { pemOfPfx } = await import('./pfx.ts')
  return pemOfPfx(bytes, password ?? '')
}
