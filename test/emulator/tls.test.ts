/** The certificates that are written byte by byte: other implementations have to read them. */
import { execFile } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { readFileSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { promisify } from 'node:util'
import t from 'tap'
import { createCertificate } from '../../emulator/tls/certificate.ts'
import { integer, oid, sequence, utf8String } from '../../emulator/tls/der.ts'
import { createTlsIdentity, keepTlsIdentity } from '../../emulator/tls/authority.ts'
import { startWorld } from './support/world.ts'

t.test('DER of the few types in use', async (t) => {
  const hex = (bytes: Buffer) => bytes.toString('hex')
  t.equal(hex(oid('1.2.840.113549.1.1.11')), '06092a864886f70d01010b')
  t.equal(hex(oid('2.5.29.17')), '0603551d11')
  t.equal(hex(integer(Buffer.from([0]))), '020100')
  t.equal(hex(integer(Buffer.from([0, 0, 0x7f]))), '02017f', 'no superfluous zeros')
  t.equal(hex(integer(Buffer.from([0x80]))), '02020080', 'positive')
  t.equal(hex(sequence(utf8String('ab'))), '30040c026162')
  t.equal(hex(utf8String('x'.repeat(300))).slice(0, 8), '0c82012c', 'long form of a length')
})

t.test('the leaf chains to the CA and is good for localhost by every name', async (t) => {
  const identity = createTlsIdentity('entra.local')
  const ca = new X509Certificate(identity.caPem)
  const leaf = new X509Certificate(identity.certificatePem)
  t.ok(ca.ca)
  t.notOk(leaf.ca)
  t.ok(leaf.verify(ca.publicKey))
  t.ok(leaf.checkIssued(ca))
  t.equal(leaf.checkHost('localhost'), 'localhost')
  t.equal(leaf.checkHost('entra.local'), 'entra.local')
  t.equal(leaf.checkHost('other.local'), undefined)
  t.equal(leaf.checkIP('127.0.0.1'), '127.0.0.1')
  t.equal(leaf.checkIP('::1'), '::1')
  const days = (Date.parse(leaf.validTo) - Date.parse(leaf.validFrom)) / 86_400_000
  t.ok(days <= 398, 'no longer than browsers accept')
})

t.test('IPv6 addresses are written in full', async (t) => {
  const { privateKey } = (await import('node:crypto')).generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const validity = { notBefore: new Date(), notAfter: new Date(Date.now() + 1000) }
  const request = { subject: 'a', issuer: 'a', holderKey: privateKey, signingKey: privateKey, isAuthority: false, ...validity }
  const names = new X509Certificate(createCertificate({ ...request, hosts: ['2001:db8::ff:1', 'fe80::'] })).subjectAltName
  t.equal(names, 'IP Address:2001:DB8:0:0:0:0:FF:1, IP Address:FE80:0:0:0:0:0:0:0')
})

t.test('a client that trusts the CA connects, one that does not refuses', async (t) => {
  const { entra } = await startWorld(t)
  const { port } = new URL(entra.origin)
  const handshake = (ca?: string) => new Promise<boolean>((resolve, reject) => {
    const socket = connect({ host: 'localhost', port: Number(port), ...(ca === undefined ? {} : { ca }) }, () => {
      resolve(socket.authorized)
      socket.destroy()
    })
    socket.once('error', reject)
  })
  t.equal(await handshake(readFileSync(entra.caFile, 'utf8')), true)
  await t.rejects(handshake())
})

t.test('kept in a folder it stays the same, and is made anew when it does not fit', async (t) => {
  const folder = join(t.testdir(), 'tls')
  const first = keepTlsIdentity(folder, 'localhost')
  t.equal(keepTlsIdentity(folder, 'localhost').caPem, first.caPem)
  t.equal(statSync(join(folder, 'localhost.key')).mode & 0o777, 0o600)
  t.not(keepTlsIdentity(folder, 'entra.local').caPem, first.caPem, 'another host name')
  writeFileSync(join(folder, 'localhost.pem'), 'garbage')
  t.not(keepTlsIdentity(folder, 'entra.local').caPem, first.caPem, 'a broken file')
})

t.test('openssl agrees, where there is one', async (t) => {
  const run = promisify(execFile)
  const isThere = await run('openssl', ['version']).then(() => true, () => false)
  if (!isThere) {
    t.pass('no openssl here')
    return
  }
  const folder = t.testdir()
  const { caPem, certificatePem } = createTlsIdentity('localhost')
  writeFileSync(join(folder, 'ca.pem'), caPem)
  writeFileSync(join(folder, 'leaf.pem'), certificatePem)
  const { stdout } = await run('openssl', ['verify', '-x509_strict', '-CAfile', join(folder, 'ca.pem'), join(folder, 'leaf.pem')])
  t.match(stdout, 'leaf.pem: OK')
})
