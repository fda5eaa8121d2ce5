/** This file gives the emulator its TLS identity: a CA of its own and a leaf for localhost, kept in a folder. */
import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { chmodSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createCertificate, toPem } from './certificate.ts'

export interface TlsIdentity {
  /** The CA, to be trusted by clients. Its private key no longer exists. */
  readonly caPem: string
  readonly certificatePem: string
  readonly privateKeyPem: string
}

const DAY_MS = 86_400_000
/** Apple and Chromium refuse leaves that are valid for longer than 398 days. */
const VALID_DAYS = 397
const RENEW_BEFORE_DAYS = 14
const LOOPBACK_NAMES = ['localhost', '127.0.0.1', '::1']

/**
 * A CA and a leaf signed by it. Both live on the machine's clock, not on the emulator's, which tests move.
 *
 * The CA key is used once and forgotten: whoever steals the folder cannot sign for another host.
 */
export function createTlsIdentity (hostname: string): TlsIdentity {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = { notBefore: new Date(Date.now() - DAY_MS), notAfter: new Date(Date.now() + VALID_DAYS * DAY_MS) }
  const issuer = 'scopegate emulator CA'
  const signed = { ...validity, issuer, signingKey: ca.privateKey }
  const caDer = createCertificate({ ...signed, subject: issuer, holderKey: ca.publicKey, isAuthority: true, hosts: [] })
  const hosts = [...new Set([...LOOPBACK_NAMES, hostname])]
  const leafDer = createCertificate({ ...signed, subject: hostname, holderKey: leaf.publicKey, isAuthority: false, hosts })
  return {
    caPem: toPem(caDer),
    certificatePem: toPem(leafDer),
    privateKeyPem: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString()
  }
}

/** The identity kept in `folder`, so that a CA trusted once stays trusted; made anew when missing or close to its end. */
export function keepTlsIdentity (folder: string, hostname: string): TlsIdentity {
  const files = { ca: join(folder, 'ca.pem'), certificate: join(folder, 'localhost.pem'), key: join(folder, 'localhost.key') }
  if (Object.values(files).every(existsSync)) {
    const kept = {
      caPem: readFileSync(files.ca, 'utf8'),
      certificatePem: readFileSync(files.certificate, 'utf8'),
      privateKeyPem: readFileSync(files.key, 'utf8')
    }
    if (isUsable(kept, hostname)) return kept
  }
  const fresh = createTlsIdentity(hostname)
  mkdirSync(folder, { recursive: true })
  writeFileSync(files.key, fresh.privateKeyPem)
  chmodSync(files.key, 0o600)
  writeFileSync(files.certificate, fresh.certificatePem)
  writeFileSync(files.ca, fresh.caPem)
  return fresh
}

function isUsable ({ caPem, certificatePem, privateKeyPem }: TlsIdentity, hostname: string): boolean {
  try {
    const leaf = new X509Certificate(certificatePem)
    return leaf.checkHost(hostname) !== undefined &&
      leaf.verify(new X509Certificate(caPem).publicKey) &&
      leaf.checkPrivateKey(createPrivateKey(privateKeyPem)) &&
      Date.parse(leaf.validTo) > Date.now() + RENEW_BEFORE_DAYS * DAY_MS
  } catch {
    return false // a damaged file is as good as none
  }
}
