/** This file makes X.509 v3 certificates (RFC 5280): the emulator's CA, its TLS leaf, and the ones in the JWKS. */
import { createHash, createPublicKey, randomBytes, sign, type KeyObject } from 'node:crypto'
import { isIP } from 'node:net'
import { bitString, boolean, explicit, implicit, integer, octetString, oid, sequence, set, utcTime, utf8String } from './der.ts'

export interface CertificateRequest {
  /** Common name of the holder, and of the issuer when they differ. */
  readonly subject: string
  readonly issuer: string
  /** Key of the holder; only its public half goes into the certificate. */
  readonly holderKey: KeyObject
  readonly signingKey: KeyObject
  readonly notBefore: Date
  readonly notAfter: Date
  readonly isAuthority: boolean
  /** DNS names and IP addresses the certificate is good for; empty for one that serves no TLS. */
  readonly hosts: readonly string[]
}

const ecdsaWithSha256 = () => sequence(oid('1.2.840.10045.4.3.2'))
const rsaWithSha256 = () => sequence(oid('1.2.840.113549.1.1.11'), Buffer.from([0x05, 0x00]))
const commonName = (name: string) => sequence(set(sequence(oid('2.5.4.3'), utf8String(name))))

/** @returns the certificate in DER; the signature algorithm follows the type of `signingKey` (EC P-256 or RSA) */
export function createCertificate (request: CertificateRequest): Buffer {
  const algorithm = request.signingKey.asymmetricKeyType === 'rsa' ? rsaWithSha256() : ecdsaWithSha256()
  const toBeSigned = sequence(
    explicit(0, integer(Buffer.from([2]))), // version 3
    integer(randomBytes(16)),
    algorithm,
    commonName(request.issuer),
    sequence(utcTime(request.notBefore), utcTime(request.notAfter)),
    commonName(request.subject),
    publicKeyOf(request.holderKey),
    explicit(3, sequence(...extensions(request)))
  )
  const signature = sign('sha256', toBeSigned, request.signingKey)
  return sequence(toBeSigned, algorithm, bitString(signature))
}

/** PEM text of a DER certificate, lines of 64 characters. */
export function toPem (der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? []
  return `-----BEGIN CERTIFICATE-----\n${lines.join('\n')}\n-----END CERTIFICATE-----\n`
}

function publicKeyOf (key: KeyObject): Buffer {
  const half = key.type === 'private' ? createPublicKey(key) : key
  return half.export({ type: 'spki', format: 'der' })
}

const keyIdentifier = (key: KeyObject) => createHash('sha1').update(publicKeyOf(key)).digest()
const extension = (id: string, value: Buffer) => sequence(oid(id), octetString(value))
const criticalExtension = (id: string, value: Buffer) => sequence(oid(id), boolean(true), octetString(value))

function extensions (request: CertificateRequest): Buffer[] {
  const list = [
    criticalExtension('2.5.29.19', request.isAuthority ? sequence(boolean(true)) : sequence()),
    // keyCertSign + cRLSign for the CA, digitalSignature for everything else
    criticalExtension('2.5.29.15', request.isAuthority ? bitString(Buffer.from([0x06]), 1) : bitString(Buffer.from([0x80]), 7)),
    extension('2.5.29.14', octetString(keyIdentifier(request.holderKey))),
    extension('2.5.29.35', sequence(implicit(0, keyIdentifier(request.signingKey))))
  ]
  if (request.hosts.length > 0) {
    list.push(extension('2.5.29.37', sequence(oid('1.3.6.1.5.5.7.3.1')))) // serverAuth
    list.push(extension('2.5.29.17', sequence(...request.hosts.map(alternativeName))))
  }
  return list
}

/** GeneralName: `[2]` for a DNS name, `[7]` for the bytes of an IP address. */
function alternativeName (host: string): Buffer {
  return isIP(host) ? implicit(7, addressBytes(host)) : implicit(2, Buffer.from(host, 'ascii'))
}

function addressBytes (address: string): Buffer {
  if (isIP(address) === 4) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string) => text === '' ? [] : text.split(':').map((part) => Number.parseInt(part, 16))
  const [before, after] = [groups(head), groups(tail)]
  const all = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}
