/** This file signs users in through a gateway whose credential comes from Azure: a managed identity, or a key vault. */
import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { SignJWT } from 'jose'
import t, { type Test } from 'tap'
import type { AppConfig } from '../../emulator/config/shape.ts'
import { createClientCertificate } from '../emulator/support/client-certificate.ts'
import { configWith } from '../emulator/support/config.ts'
import { startKeyVault, startTokenService, tokenOfMachine } from '../support/azure.ts'
import { createBrowser } from '../support/browser.ts'
import { keepPem } from '../support/certificates.ts'
import { startConnectProxy } from '../support/connect-proxy.ts'
import { clientId, startEntra, startGateway, tenant } from '../support/gateway.ts'
import { startUpstream } from '../support/upstream.ts'

const identity = '88888888-8888-4888-8888-888888888888'
const issuer = `https://login.microsoftonline.com/${tenant}/v2.0`
const audience = 'api://AzureADTokenExchange'
const vaultHost = 'contoso.vault.azure.net'

/** An emulator whose application has no secret. */
async function startEntraWith (t: Test, credential: Partial<AppConfig>) {
  return await startEntra(t, { config: configWith({ apps: { Gateway: { secrets: [], ...credential } } }) })
}

interface Parts {
  readonly entra: Awaited<ReturnType<typeof startEntra>>
  readonly clientCredentials: readonly object[]
  readonly env?: Record<string, string>
  readonly ca?: string
}

/** @returns what the upstream was sent, after a sign-in */
async function signIn (t: Test, { entra, clientCredentials, env = {}, ca = '' }: Parts) {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    entra: { clientCredentials, caFile: keepPem(t, entra.caPem + ca) },
    env
  })
  const browser = createBrowser(t, { ca: entra.caPem, user: 'alice@contoso.example' })
  const page = await browser.go(`${gateway.url}/`)
  return { page, gateway }
}

async function tokenOf (key: KeyObject, subject = identity): Promise<string> {
  return await new SignJWT({ iss: issuer, sub: subject, aud: audience }).setProtectedHeader({ alg: 'RS256', kid: 'k1' }).setExpirationTime('1h').sign(key)
}

// What MSAL asks is settled when it asks first: one service for the whole file.
t.test('credentials of Azure', async t => {
  const machine = await startTokenService(t)
  process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = machine.origin
  const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 })
  const jwks = { keys: [{ ...publicKey.export({ format: 'jwk' }), kid: 'k1' }] }

  t.test('the token of a managed identity is the assertion', async t => {
    const entra = await startEntraWith(t, { federated: [{ issuer, subject: identity, audience, jwks }] })
    machine.answer = async () => await tokenOf(privateKey)
    const { page, gateway } = await signIn(t, {
      entra, clientCredentials: [{ sourceType: 'SignedAssertionFromManagedIdentity', managedIdentityClientId: identity }]
    })
    t.equal(page.status, 200)
    t.match(page.json().headers.authorization, /^Bearer eyJ/)
    t.match(machine.asked, [{ path: '/metadata/identity/oauth2/token', resource: audience, clientId: identity, headers: { metadata: 'true' } }])
    t.equal(machine.asked.length, 1, 'one token serves for as long as it is good')
    t.notMatch(gateway.logged(), await tokenOf(privateKey))
  })

  t.test('where there is no such identity, the next credential serves', async t => {
    const entra = await startEntra(t)
    machine.answer = () => 400
    const { page, gateway } = await signIn(t, {
      entra,
      clientCredentials: [{ sourceType: 'SignedAssertionFromManagedIdentity' }, { sourceType: 'ClientSecret', clientSecret: 'gw-secret' }]
    })
    t.equal(page.status, 200)
    t.match(gateway.logged(), /"credential":"SignedAssertionFromManagedIdentity"/)
  })

  t.test('a certificate in a key vault signs', async t => {
    const certificate = createClientCertificate()
    const entra = await startEntraWith(t, { certificates: [{ pem: certificate.pem }] })
    const vault = await startKeyVault(t, vaultHost)
    vault.secrets.set('gateway', certificate.privateKeyPem + certificate.pem)
    const proxy = await startConnectProxy(t)
    proxy.names.set(`${vaultHost}:443`, vault.port)
    machine.asked.length = 0
    machine.answer = () => tokenOfMachine
    const { page, gateway } = await signIn(t, {
      entra,
      clientCredentials: [{ sourceType: 'KeyVault', keyVaultUrl: `https://${vaultHost}`, keyVaultCertificateName: 'gateway' }],
      env: { HTTPS_PROXY: proxy.url },
      ca: vault.ca
    })
    t.equal(page.status, 200)
    t.same(vault.read, ['/secrets/gateway'], 'read once')
    t.match(machine.asked, [{ resource: 'https://vault.azure.net', clientId: null }])
    t.notMatch(gateway.logged(), /token-of-the-machine|PRIVATE KEY/)
  })

  t.test('a pod asks the vault as its workload identity', async t => {
    const certificate = createClientCertificate()
    const entra = await startEntra(t, {
      config: configWith({
        apps: {
          Gateway: { secrets: [], certificates: [{ pem: certificate.pem }] },
          Pod: { clientId: identity, federated: [{ issuer, subject: 'system:serviceaccount:web:gateway', audience, jwks }] },
          Vault: { clientId: 'cfa8b339-82a2-471a-a3c9-0fc0be7a4093', identifierUris: ['https://vault.azure.net'] }
        }
      })
    })
    const vault = await startKeyVault(t, vaultHost)
    vault.secrets.set('gateway', certificate.privateKeyPem + certificate.pem)
    vault.isToken = token => token.startsWith('eyJ')
    const proxy = await startConnectProxy(t)
    proxy.names.set(`${vaultHost}:443`, vault.port)
    machine.asked.length = 0
    const { page } = await signIn(t, {
      entra,
      clientCredentials: [{ sourceType: 'KeyVault', keyVaultUrl: `https://${vaultHost}`, keyVaultCertificateName: 'gateway' }],
      env: {
        HTTPS_PROXY: proxy.url,
        AZURE_AUTHORITY_HOST: `${entra.origin}/`,
        AZURE_TENANT_ID: tenant,
        AZURE_CLIENT_ID: identity,
        AZURE_FEDERATED_TOKEN_FILE: keepPem(t, await tokenOf(privateKey, 'system:serviceaccount:web:gateway'))
      },
      ca: vault.ca
    })
    t.equal(page.status, 200)
    t.equal(machine.asked.length, 0)
    const clients = entra.requests().filter(({ endpoint }) => endpoint === 'token').map(({ parameters }) => parameters.client_id)
    t.same([...new Set(clients)].sort(), [clientId, identity])
  })

  t.test('a vault that refuses is a mistake of the config; one that is away may come back', async t => {
    const entra = await startEntra(t)
    const vault = await startKeyVault(t, vaultHost)
    const proxy = await startConnectProxy(t)
    proxy.names.set(`${vaultHost}:443`, vault.port)
    machine.answer = () => tokenOfMachine
    for (const [status, expected] of [[403, 502], [404, 502], [503, 503]] as const) {
      vault.status = status
      const { page, gateway } = await signIn(t, {
        entra,
        clientCredentials: [{ sourceType: 'KeyVault', keyVaultUrl: `https://${vaultHost}`, keyVaultCertificateName: 'gateway' }],
        env: { HTTPS_PROXY: proxy.url },
        ca: vault.ca
      })
      t.equal(page.status, expected, `${status} of the vault`)
      t.notMatch(gateway.logged(), /token-of-the-machine/)
    }
  })
})
