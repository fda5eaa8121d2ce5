/** This file looks into certificate files, so that a wrong or expired one is found at start and not by a failing call. */
import { X509Certificate } from 'node:crypto'

const CERTIFICATE = /-----BEGIN CERTIFICATE-----[\s\S]*?-----END CERTIFICATE-----/g

/** What is wrong with a file of CA certificates, or undefined. */
export function caProblem (text: string): string | undefined {
  const certificates = text.match(CERTIFICATE)
  if (certificates === null) return 'must be a file with certificates in PEM form'
  return certificates.every(pem => parse(pem) !== undefined) ? undefined : 'holds a certificate that cannot be read'
}

/**
 * What is wrong with the file of a client certificate, or undefined. Only PEM is looked into: a PFX is opened with its
 * password when it is used.
 *
 * @param now - epoch milliseconds
 */
export function clientCertificateProblem (text: string, now: number): string | undefined {
  const [pem] = text.match(CERTIFICATE) ?? []
  if (pem === undefined) return undefined
  const certificate = parse(pem)
  if (certificate === undefined) return 'holds a certificate that cannot be read'
  if (Date.parse(certificate.validTo) <= now) return 'holds a certificate that has expired: put a new one there and register it'
  return /-----BEGIN (?:[A-Z]+ )?PRIVATE KEY-----/.test(text) ? undefined : 'holds no private key: put it into the same file'
}

function parse (pem: string): X509Certificate | undefined {
  try {
    return new X509Certificate(pem)
  } catch {
    return undefined
  }
}
