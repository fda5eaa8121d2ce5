/**
 * This file makes TLS identities for upstreams, good and bad ones, when a test runs.
 */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createCertificate, toPem } from '../../emulator/tls/certificate.ts'

/** What a TLS server is started with. */
export interface Identity {
  readonly cert: string
  readonly key: string
}

export interface Validity {
  readonly notBefore?: Date
  readonly notAfter?: Date
}

export interface Authority {
  readonly pem: string
  /** A leaf for these names, by default valid today. */
  issue (hosts: readonly string[], validity?: Validity): Identity
}

const dayMs = 86_400_000
const now = Date.now()

/** A CA that nothing trusts yet. */
export function createAuthority (name = 'Private CA'): Authority {
  const ca = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const pem = toPem(createCertificate({
    subject: name, issuer: name, holderKey: ca.publicKey, signingKey: ca.privateKey, isAuthority: true, hosts: [], ...daysAround()
  }))
  return {
    pem,
    issue (hosts, validity) {
      const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
      const der = createCertificate({
        subject: hosts[0] ?? 'nobody', issuer: name, holderKey: leaf.publicKey, signingKey: ca.privateKey, isAuthority: false, hosts, ...daysAround(validity)
      })
      return { cert: toPem(der), key: pemOf(leaf.privateKey) }
    }
  }
}

/** A certificate that vouches for itself. */
export function createSelfSigned (hosts: readonly string[]): Identity {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const subject = hosts[0] ?? 'nobody'
  const der = createCertificate({
    subject, issuer: subject, holderKey: publicKey, signingKey: privateKey, isAuthority: false, hosts, ...daysAround()
  })
  return { cert: toPem(der), key: pemOf(privateKey) }
}

/** A file that lives as long as the test. */
export function keepPem (t: Test, pem: string): string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-ca-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'ca.pem')
  writeFileSync(file, pem)
  return file
}

function daysAround ({ notBefore, notAfter }: Validity = {}): Required<Validity> {
  return { notBefore: notBefore ?? new Date(now - dayMs), notAfter: notAfter ?? new Date(now + 30 * dayMs) }
}

function pemOf (key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString()
}
