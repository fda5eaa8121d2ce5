/** How the gateway proves who it is: certificates, assertions, secrets; what happens when one is rejected or replaced. */
import { generateKeyPairSync, X509Certificate, type KeyObject } from 'node:crypto'
import { readFileSync, writeFileSync } from 'node:fs'
import { decodeJwt, decodeProtectedHeader, importX509, jwtVerify } from 'jose'
import t from 'tap'
import { createTlsIdentity } from '../../emulator/tls/authority.ts'
import { createCertificate as createX509, toPem } from '../../emulator/tls/certificate.ts'
import { createAssertionFile } from '../../src/identity/assertion-file.ts'
import { createCertificate, parseCertificate } from '../../src/identity/certificate.ts'
import { createFileReader } from '../../src/identity/credential-file.ts'
import { sourceOf } from '../../src/identity/credential-sources.ts'
import type { Credential } from '../../src/identity/credentials.ts'
import type { ClientAuth } from '../../src/identity/msal.ts'
import { pemOfPfx } from '../../src/identity/pfx.ts'
import { createClock } from './support/clock.ts'
import { fails } from './support/fails.ts'
import { createGateway, graph, orders, writeTemporary } from './support/gateway.ts'
import { client, startProvider, tenant, type Reply } from './support/provider.ts'

const password = 'pass-w0rd'
/** Made by OpenSSL 3.0: AES-256 and SHA-256; RC2 and 3DES as of old; 3DES as Windows exports. One certificate. */
const fixture = (name: string): Buffer => readFileSync(new URL(`./fixtures/${name}.pfx`, import.meta.url))
const pem = pemOfPfx(fixture('modern'), password)
const certificate = new X509Certificate(/-----BEGIN CERTIFICATE[\s\S]+END CERTIFICATE-----/.exec(pem)![0])
const thumbprint = Buffer.from(certificate.fingerprint256.replaceAll(':', ''), 'hex').toString('base64url')
const endpoint = `https://login.example/${tenant}/oauth2/v2.0/token`
const inTime = Date.parse('2030-01-01')
const tooLate = Date.parse('2100-01-01')

async function assertionOf (auth: ClientAuth, tokenEndpoint = endpoint): Promise<string> {
  if (!('clientAssertion' in auth)) throw new Error('no assertion')
  return auth.clientAssertion({ clientId: client, tokenEndpoint })
}

/** A certificate of 2048 bits, the one that signed it, and that one's root: in a file that begins with the root. */
function createChain () {
  const [rootKey, middleKey, leafKey] = [1, 2, 3].map(() => generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey) as [KeyObject, KeyObject, KeyObject]
  const validity = { notBefore: new Date(Date.now() - 1000), notAfter: new Date(Date.now() + 86_400_000), hosts: [] }
  const certify = (subject: string, holderKey: KeyObject, issuer: string, signingKey: KeyObject, isAuthority: boolean) =>
    toPem(createX509({ ...validity, subject, holderKey, issuer, signingKey, isAuthority }))
  const root = certify('root', rootKey, 'root', rootKey, true)
  const intermediate = certify('intermediate', middleKey, 'root', rootKey, true)
  const leaf = certify('gateway', leafKey, 'intermediate', middleKey, false)
  return { root, intermediate, leaf, text: root + intermediate + leaf + leafKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
}

function rejection (number: number): Reply {
  return { status: 401, body: { error: 'invalid_client', error_codes: [number], error_description: `AADSTS${number}` } }
}

t.test('a PFX opens, however it was encrypted', async t => {
  for (const name of ['modern', 'legacy', 'windows']) {
    t.match(await parseCertificate(fixture(name), password, inTime), { thumbprint }, name)
  }
  t.match(await parseCertificate(fixture('nopass'), undefined, inTime), { thumbprint }, 'without a password')
})

t.test('a PEM opens, in any order, with a chain, and with an encrypted key', async t => {
  const other = createTlsIdentity('localhost')
  const [key, cert] = [/-----BEGIN PRIVATE[\s\S]+?END PRIVATE KEY-----/.exec(pem)![0], certificate.toString()]
  for (const text of [`${key}\n${cert}`, `${cert}\n${key}`, `${other.caPem}\n${cert}\n${key}`, `# a comment\r\n${key}\r\n${cert}`]) {
    t.match(await parseCertificate(Buffer.from(text), undefined, inTime), { thumbprint })
  }
  const { key: opened } = await parseCertificate(Buffer.from(pem), undefined, inTime)
  const locked = opened.export({ type: 'pkcs8', format: 'pem', cipher: 'aes-256-cbc', passphrase: password }).toString()
  t.match(await parseCertificate(Buffer.from(locked + cert), password, inTime), { thumbprint })
})

t.test('what is no use is told, without a secret', async t => {
  const other = createTlsIdentity('localhost')
  const key = /-----BEGIN PRIVATE[\s\S]+?END PRIVATE KEY-----/.exec(pem)![0]
  const useless: [string, Buffer, string | undefined, number][] = [
    ['a wrong password', fixture('modern'), 'wrong', inTime],
    ['no password', fixture('modern'), undefined, inTime],
    ['nothing', Buffer.alloc(0), undefined, inTime],
    ['noise', Buffer.from('not a certificate'), undefined, inTime],
    ['half a file', fixture('modern').subarray(0, 1000), password, inTime],
    ['a key without a certificate', Buffer.from(key), undefined, inTime],
    ['a certificate without a key', Buffer.from(certificate.toString()), undefined, inTime],
    ['somebody else\'s certificate', Buffer.from(key + other.caPem), undefined, inTime],
    ['a key that is not RSA', Buffer.from(other.privateKeyPem + other.certificatePem), undefined, Date.now()],
    ['a certificate that has expired', Buffer.from(pem), undefined, tooLate]
  ]
  for (const [name, bytes, given, now] of useless) {
    const error = await fails(t, parseCertificate(bytes, given, now), { name: 'CredentialError' }, name)
    t.notMatch(error.message, /pass-w0rd|wrong|PRIVATE/)
  }
})

t.test('an assertion is what the provider expects, and is signed rarely', async t => {
  const clock = createClock(t)
  let random = 0
  const credential = createCertificate({
    name: 'Path', source: sourceOf(async () => pemBytes), clientId: client, sendX5c: false, now: clock.now, random: () => random
  })
  const pemBytes = Buffer.from(pem)
  const first = await assertionOf(await credential.load())
  t.strictSame(decodeProtectedHeader(first), { alg: 'PS256', typ: 'JWT', 'x5t#S256': thumbprint })
  const { payload } = await jwtVerify(first, await importX509(certificate.toString(), 'PS256'))
  t.match(payload, { iss: client, sub: client, aud: endpoint, jti: /^[\da-f-]{36}$/ })
  t.equal(payload.exp! - payload.iat!, 600)
  t.equal(await assertionOf(await credential.load()), first)
  t.not(await assertionOf(await credential.load(), endpoint.replace(tenant, 'other')), first, 'one for each token endpoint')
  clock.advance(5 * 60_000 - 1000)
  t.equal(await assertionOf(await credential.load()), first)
  clock.advance(2000)
  random = 1
  const second = await assertionOf(await credential.load())
  t.not(second, first)
  clock.advance(8 * 60_000 - 1000)
  t.equal(await assertionOf(await credential.load()), second)
  clock.advance(-3_600_000)
  t.not(await assertionOf(await credential.load()), second, 'not after the clock was stepped back')
})

t.test('with sendX5c an assertion carries its certificate and those that vouch for it, but for the root', async t => {
  const { leaf, intermediate, root, text } = createChain()
  const assertionWith = async (sendX5c: boolean) => {
    const source = sourceOf(async () => Buffer.from(text))
    return await assertionOf(await createCertificate({ name: 'Path', source, clientId: client, sendX5c, now: Date.now, random: () => 0 }).load())
  }
  const derOf = (pem: string) => pem.replace(/-----[^-]+-----|\n/g, '')
  t.notOk(text.indexOf(root) > text.indexOf(leaf), 'not in the order of the chain')
  const header = decodeProtectedHeader(await assertionWith(true))
  t.strictSame(header.x5c, [derOf(leaf), derOf(intermediate)])
  t.ok(header['x5t#S256'])
  t.notOk(decodeProtectedHeader(await assertionWith(false)).x5c)
})

t.test('a file that changes is read again; a half-written one is not used', async t => {
  const path = writeTemporary(t, pem)
  const credential: Credential = createCertificate({
    name: 'Path', source: sourceOf(createFileReader(path)), clientId: client, sendX5c: false, now: () => inTime, random: () => 0.5
  })
  const first = await assertionOf(await credential.load())
  writeFileSync(path, pem.slice(0, 400))
  t.equal(await assertionOf(await credential.load()), first, 'the one before it serves')
  writeFileSync(path, `${pem}\n`)
  t.not(await assertionOf(await credential.load()), first)
  writeFileSync(path, 'x'.repeat(300 * 1024))
  await fails(t, credential.load(), { name: 'CredentialError', cause: { message: /too large/ } })
})

t.test('an assertion in a file is handed out as it is, and read again when it changes', async t => {
  const path = writeTemporary(t, 'aaa.bbb.ccc\n')
  const credential = createAssertionFile(path)
  t.equal(await assertionOf(await credential.load()), 'aaa.bbb.ccc')
  writeFileSync(path, 'ddd.eee.fffff')
  t.equal(await assertionOf(await credential.load()), 'ddd.eee.fffff')
  for (const text of ['', 'secret', 'a.b', 'a.b.c.d', 'a b.c.d']) {
    writeFileSync(path, text)
    const error = await fails(t, credential.load(), { name: 'CredentialError' }, text)
    t.notMatch(error.message, /secret/)
  }
  await fails(t, createAssertionFile(`${path}.gone`).load(), { name: 'CredentialError', cause: { code: 'ENOENT' } })
})

t.test('the first that loads is used', async t => {
  const entra = await startProvider(t)
  const { signIn } = await createGateway(t, entra, {
    entra: {
      clientCredentials: [
        { sourceType: 'SignedAssertionFilePath', signedAssertionFileDiskPath: '/nowhere/token' },
        { sourceType: 'Path', certificateDiskPath: '/nowhere/cert.pem' },
        { sourceType: 'Base64Encoded', base64EncodedValue: fixture('modern').toString('base64'), certificatePassword: password },
        { sourceType: 'ClientSecret', clientSecret: 'gw-secret' }
      ]
    }
  })
  await signIn()
  const { form } = entra.calls[0]!
  t.equal(form.get('client_secret'), null)
  t.equal(form.get('client_assertion_type'), 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer')
  t.match(decodeJwt(form.get('client_assertion')!), { iss: client, aud: `${entra.origin}/${tenant}/oauth2/v2.0/token` })
  t.equal(decodeProtectedHeader(form.get('client_assertion')!)['x5t#S256'], thumbprint)
})

t.test('without any that loads the gateway is misconfigured', async t => {
  const entra = await startProvider(t)
  const { signIn, logged } = await createGateway(t, entra, {
    entra: { clientCredentials: [{ sourceType: 'Path', certificateDiskPath: '/nowhere/cert.pem' }] }
  })
  await fails(t, signIn(), { code: 'SG_PROVIDER_MISCONFIGURED' })
  t.equal(entra.calls.length, 0)
  t.match(logged.at(-1), { level: 'error', fields: { credential: 'Path' } })
})

t.test('C12.6 one that is rejected is reloaded: a rotated file heals, and the code is not lost', async t => {
  const entra = await startProvider(t)
  const path = writeTemporary(t, 'old.old.old')
  const { provider, signIn } = await createGateway(t, entra, {
    entra: { clientCredentials: [{ sourceType: 'SignedAssertionFilePath', signedAssertionFileDiskPath: path }] }
  })
  entra.onToken = ({ form }) => {
    if (form.get('client_assertion') !== 'old.old.old') return undefined
    writeFileSync(path, 'new.new.new')
    return rejection(700024)
  }
  const holder = await signIn()
  t.strictSame(entra.calls.map(({ form }) => form.get('client_assertion')), ['old.old.old', 'new.new.new'])
  t.match(await provider.acquire(holder, orders), { kind: 'token' })
})

t.test('one that stays rejected gives way to the next, and is not tried before every call', async t => {
  const entra = await startProvider(t)
  const { provider, signIn, logged } = await createGateway(t, entra, {
    entra: {
      clientCredentials: [
        { sourceType: 'Path', certificateDiskPath: writeTemporary(t, pem) },
        { sourceType: 'ClientSecret', clientSecret: 'gw-secret' }
      ]
    }
  })
  entra.onToken = ({ form }) => form.has('client_assertion') ? rejection(700027) : undefined
  const holder = await signIn()
  const kinds = () => entra.calls.map(({ form }) => form.has('client_assertion') ? 'assertion' : 'secret')
  t.strictSame(kinds(), ['assertion', 'assertion', 'secret'])
  const [first, second] = entra.calls.map(({ form }) => form.get('client_assertion'))
  t.not(first, second, 'the second one is signed anew')
  const told = logged.filter(({ level }) => level === 'error').map(({ fields }) => ({ ...fields, err: undefined }))
  const line = { err: undefined, credential: 'Path', cause: 'AADSTS700027' }
  t.strictSame(told, [line, line], 'the log names the kind of credential and the error, and nothing that it holds')
  t.match(await provider.acquire(holder, graph), { kind: 'token' })
  t.strictSame(kinds(), ['assertion', 'assertion', 'secret', 'secret'])
  entra.onToken = ({ form }) => form.has('client_secret') ? rejection(7000277) : undefined
  t.ok(await signIn(), 'and comes back when the other is rejected')
})

t.test('when all are rejected the gateway is misconfigured', async t => {
  const entra = await startProvider(t)
  const { signIn } = await createGateway(t, entra, {
    entra: { clientCredentials: [{ sourceType: 'Path', certificateDiskPath: writeTemporary(t, pem) }] }
  })
  entra.onToken = () => rejection(700027)
  await fails(t, signIn(), { code: 'SG_PROVIDER_MISCONFIGURED' })
  t.equal(entra.calls.length, 2)
})

t.test('a wrong secret is a mistake of the config: nothing else is tried', async t => {
  const entra = await startProvider(t)
  const { signIn } = await createGateway(t, entra, {
    entra: {
      clientCredentials: [{ sourceType: 'ClientSecret', clientSecret: 'a' }, { sourceType: 'ClientSecret', clientSecret: 'b' }]
    }
  })
  entra.onToken = () => rejection(7000215)
  await fails(t, signIn(), { code: 'SG_PROVIDER_MISCONFIGURED' })
  t.strictSame(entra.calls.map(({ form }) => form.get('client_secret')), ['a'])
})

t.test('a token out of the record needs no credential', async t => {
  const entra = await startProvider(t)
  const path = writeTemporary(t, pem)
  const { provider, signIn } = await createGateway(t, entra, {
    entra: { clientCredentials: [{ sourceType: 'Path', certificateDiskPath: path }] }
  })
  const holder = await signIn()
  writeFileSync(path, 'x'.repeat(300 * 1024))
  t.match(await provider.acquire(holder, orders), { kind: 'token', source: 'cache' })
  await fails(t, provider.acquire(holder, graph), { code: 'SG_PROVIDER_MISCONFIGURED' })
})
