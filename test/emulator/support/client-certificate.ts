/** This file makes a client certificate, as an operator would register one. */
import { createHash, generateKeyPairSync, X509Certificate } from 'node:crypto'
import { createCertificate, toPem } from '../../../emulator/tls/certificate.ts'

export function createClientCertificate () {
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const subject = 'client'
  const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000) }
  const selfSigned = { subject, issuer: subject, holderKey: privateKey, signingKey: privateKey }
  const der = createCertificate({ ...selfSigned, ...validity, isAuthority: false, hosts: [] })
  const thumbprint = (algorithm: string, encoding: 'hex' | 'base64url') => createHash(algorithm).update(der).digest(encoding)
  return {
    pem: toPem(der),
    certificate: new X509Certificate(der),
    privateKey,
    privateKeyPem: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    thumbprint
  }
}
