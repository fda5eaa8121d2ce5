/** This file has `check --online` look at identity providers and credentials that are not as they should be. */
import { generateKeyPairSync } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { createCertificate, toPem } from '../../emulator/tls/certificate.ts'
import { createAuthority, keepPem } from '../support/certificates.ts'
import { startEntra, tenant } from '../support/gateway.ts'
import { folder } from '../support/process.ts'
import { startUpstream } from '../support/upstream.ts'
import { lookOnline } from './support.ts'

const authority = createAuthority()
const caFile = keepPem(t, authority.pem)
const secret = (clientSecret: string): object => ({ sourceType: 'ClientSecret', clientSecret })

/** A provider that answers everything in one way. */
async function answering (t: Test, answer: (response: ServerResponse) => void): Promise<object> {
  const { port } = await startUpstream(t, { tls: authority.issue(['localhost', '127.0.0.1']), answer (_request, response) { answer(response) } })
  return { instance: `https://127.0.0.1:${port}/`, caFile }
}

const json = (status: number, value: unknown) => (response: ServerResponse): void => {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(value))
}
const html = (status: number) => (response: ServerResponse): void => {
  response.writeHead(status, { 'content-type': 'text/html' }).end('<html>Welcome to the hotel')
}

t.test('a provider that is not as it should be is told with what to mend, and then no credential is tried', async t => {
  const entra = await startEntra(t)
  const { port: misnamed } = await startUpstream(t, { tls: authority.issue(['other.example']) })
  const { port: plain } = await startUpstream(t)
  const cases: Record<string, readonly [entra: object, text: string | RegExp]> = {
    'a closed port': [{ instance: 'https://127.0.0.1:1/' }, 'nobody listens at 127.0.0.1:1'],
    'no such name': [{ instance: 'https://login.invalid/' }, /no address is known for login\.invalid|the address of login\.invalid cannot/],
    'a CA that is not trusted': [{ instance: `${entra.origin}/` }, 'set entra.caFile'],
    'another CA': [{ instance: `${entra.origin}/`, caFile }, 'set entra.caFile'],
    'another name': [{ instance: `https://127.0.0.1:${misnamed}/`, caFile }, 'its certificate is for another name than 127.0.0.1'],
    'no TLS': [{ instance: `https://127.0.0.1:${plain}/` }, 'does not speak TLS'],
    'an error of its own': [await answering(t, json(500, {})), 'it answers 500: an outage there, or of a proxy on the way'],
    'an error in HTML': [await answering(t, html(503)), 'it answers 503'],
    'too much asked': [await answering(t, json(429, {})), 'it answers 429: it is asked too often'],
    'a page in its place': [await answering(t, html(200)), 'what it answers is no JSON: does something on the way answer in its place'],
    'another kind of site': [await answering(t, html(404)), 'it answers 404: does the tenant exist there? Look at entra.instance and entra.tenantId'],
    'another document': [await answering(t, json(200, { hello: 1 })), 'what it says cannot be used: issuer is not an address at https://127.0.0.1'],
    'no such tenant': [{ instance: `${entra.origin}/`, caFile: entra.caFile, tenantId: 'aaaaaaaa-0000-4000-8000-000000000000' }, 'it answers 400: does the tenant exist there?'],
    'no answer': [await answering(t, () => {}), '127.0.0.1:']
  }
  await Promise.all(Object.entries(cases).map(async ([name, [parts, text]]) => {
    const { code, targets } = await lookOnline(t, { entra: parts as Record<string, unknown> }, 4000)
    const [provider, credential] = targets
    t.match(provider, { outcome: 'failed', text }, `${name}: ${provider?.text}`)
    t.match(credential, { target: 'credential ClientSecret', outcome: 'warning', text: 'loads; the provider is not reached' }, name)
    t.equal(code, 1)
  }))
  t.equal(entra.requests().filter(({ method }) => method === 'POST').length, 0)
})

t.test('signing keys that cannot be used are told', async t => {
  const { port } = await startUpstream(t, {
    tls: authority.issue(['127.0.0.1']),
    answer (request, response) {
      const at = `https://127.0.0.1:${port}`
      const document = { issuer: `${at}/${tenant}/v2.0`, ...Object.fromEntries(['authorization_endpoint', 'token_endpoint', 'jwks_uri', 'end_session_endpoint'].map(name => [name, `${at}/${name}`])) }
      json(200, request.url!.includes('openid-configuration') ? document : { keys: [] })(response)
    }
  })
  const { finding } = await lookOnline(t, { entra: { instance: `https://127.0.0.1:${port}/`, caFile } })
  t.match(finding('provider'), { outcome: 'failed', text: 'the key set has no usable key' })
})

t.test('credentials are loaded and tried; that one works is enough', async t => {
  const emulator = await startEntra(t)
  const at = folder(t)
  const keys = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const days = { notBefore: new Date(Date.now() - 86_400_000), notAfter: new Date(Date.now() + 86_400_000) }
  const certificate = createCertificate({
    subject: 'gateway', issuer: 'gateway', holderKey: keys.publicKey, signingKey: keys.privateKey, isAuthority: false, hosts: [], ...days
  })
  const certificateDiskPath = join(at, 'client.pem')
  writeFileSync(certificateDiskPath, toPem(certificate) + String(keys.privateKey.export({ type: 'pkcs8', format: 'pem' })))
  const assertion = join(at, 'assertion')
  writeFileSync(assertion, 'no assertion')
  const unknown = { sourceType: 'Path', certificateDiskPath }
  const broken = { sourceType: 'SignedAssertionFilePath', signedAssertionFileDiskPath: assertion }
  const look = async (clientCredentials: readonly object[], more: object = {}) =>
    await lookOnline(t, { emulator, entra: { clientCredentials, ...more } })

  const wrong = await look([secret('not-the-secret')])
  t.match(wrong.finding('credential ClientSecret'), { outcome: 'failed', text: 'the provider refuses it (AADSTS7000215): the secret is wrong' })
  t.match(wrong.finding('provider'), { outcome: 'ok' })
  t.equal(wrong.code, 1)

  const none = await look([unknown, broken])
  t.match(none.finding('credential 1 Path'), { outcome: 'failed', text: /^the provider refuses it \(AADSTS7000\d+\): register this certificate/ })
  t.match(none.finding('credential 2 SignedAssertionFilePath'), { outcome: 'failed', text: `cannot be used: ${assertion} does not hold a signed assertion` })
  t.equal(none.code, 1)

  const one = await look([broken, secret('gw-secret')])
  t.match(one.finding('credential 1'), { outcome: 'warning', text: 'does not hold a signed assertion' })
  t.match(one.finding('credential 2'), { outcome: 'ok' })
  t.equal(one.code, 0)

  const stranger = await look([secret('gw-secret')], { clientId: '99999999-9999-4999-8999-999999999999' })
  t.match(stranger.finding('credential'), { outcome: 'failed', text: '(AADSTS700016): the tenant has no application with this entra.clientId' })

  const several = await look([secret('not-the-secret')], { tenantId: 'organizations', allowedTenants: [tenant] })
  t.match(several.finding('credential'), { outcome: 'ok', text: 'loads; only a sign-in tells whether Entra takes it' })
  t.notMatch(JSON.stringify([wrong, none, one, stranger, several].map(({ targets }) => targets)), /not-the-secret|gw-secret/)
})

t.test('of a provider whose endpoints the config has, the keys are fetched', async t => {
  const emulator = await startEntra(t)
  const at = `${emulator.origin}/${tenant}`
  const endpoints = {
    issuer: `${at}/v2.0`,
    authorizationEndpoint: `${at}/oauth2/v2.0/authorize`,
    tokenEndpoint: `${at}/oauth2/v2.0/token`,
    jwksUri: `${at}/discovery/v2.0/keys`,
    endSessionEndpoint: `${at}/oauth2/v2.0/logout`
  }
  const { code, finding } = await lookOnline(t, { emulator, entra: { authorityMetadata: endpoints } })
  t.match(finding('provider'), { outcome: 'ok' })
  t.match(finding('credential'), { outcome: 'ok', text: 'loads; only a sign-in tells whether this provider takes it' })
  t.equal(code, 0)
  const away = await lookOnline(t, { emulator, entra: { authorityMetadata: { ...endpoints, jwksUri: `${at}/discovery/v2.0/nothing` } } })
  t.match(away.finding('provider'), { outcome: 'failed' })
})
