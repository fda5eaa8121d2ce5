/** A certificate in a key vault: read again in time, and when the provider rejects it; kept while the vault is away. */
import { readFileSync } from 'node:fs'
import { decodeProtectedHeader } from 'jose'
import t, { type Test } from 'tap'
import { createClientCertificate } from '../emulator/support/client-certificate.ts'
import { startKeyVault, startTokenService, tokenOfMachine } from '../support/azure.ts'
import { startConnectProxy } from '../support/connect-proxy.ts'
import { until } from '../support/redis.ts'
import { fails } from './support/fails.ts'
import { createGateway, graph, orders } from './support/gateway.ts'
import { startProvider, type ScriptedProvider } from './support/provider.ts'

const minute = 60_000

async function start (t: Test, secret: string, host = 'contoso.vault.azure.net') {
  const entra = await startProvider(t)
  const vault = await startKeyVault(t, host)
  vault.secrets.set('gateway', secret)
  const proxy = await startConnectProxy(t)
  proxy.names.set(`${host}:443`, vault.port)
  const gateway = await createGateway(t, { origin: entra.origin, ca: entra.ca + vault.ca }, {
    entra: { clientCredentials: [{ sourceType: 'KeyVault', keyVaultUrl: `https://${host}`, keyVaultCertificateName: 'gateway' }] },
    environment: { proxy: { url: proxy.url, except: '' } }
  })
  return { entra, vault, proxy, gateway }
}

function secretOf ({ pem, privateKeyPem }: ReturnType<typeof createClientCertificate>): string {
  return privateKeyPem + pem
}

function thumbprints (entra: ScriptedProvider): unknown[] {
  return entra.calls.map(({ form }) => decodeProtectedHeader(form.get('client_assertion')!)['x5t#S256'])
}

const [old, fresh] = [createClientCertificate(), createClientCertificate()]
const [oldPrint, freshPrint] = [old.thumbprint('sha256', 'base64url'), fresh.thumbprint('sha256', 'base64url')]

// What MSAL asks is settled when it asks first: one service for the whole file.
t.test('a certificate in a key vault', async t => {
  const machine = await startTokenService(t)
  process.env.AZURE_POD_IDENTITY_AUTHORITY_HOST = machine.origin
  t.beforeEach(() => {
    machine.asked.length = 0
    machine.answer = () => tokenOfMachine
  })

  t.test('may be a PFX, as the vault keeps it', async t => {
    const pfx = readFileSync(new URL('./fixtures/nopass.pfx', import.meta.url))
    const { entra, gateway } = await start(t, pfx.toString('base64'))
    await gateway.signIn()
    t.equal(entra.calls.length, 1)
    t.match(thumbprints(entra), [/^[\w-]{43}$/])
  })

  t.test('is asked for with a token that is good in the vault\'s cloud only', async t => {
    const { entra, vault, gateway } = await start(t, secretOf(old), 'contoso.vault.azure.cn')
    await gateway.signIn()
    t.match(machine.asked, [{ resource: 'https://vault.azure.cn' }])
    t.equal(vault.read.length, 1)
    t.equal(entra.calls.length, 1)
  })

  t.test('C12.6 that was renewed there and is rejected here is read again, and the code is not lost', async t => {
    const { entra, vault, gateway } = await start(t, secretOf(old))
    await gateway.signIn()
    vault.secrets.set('gateway', secretOf(fresh))
    gateway.clock.advance(minute)
    entra.onToken = ({ form }) => decodeProtectedHeader(form.get('client_assertion')!)['x5t#S256'] === oldPrint
      ? { status: 401, body: { error: 'invalid_client', error_codes: [700027], error_description: 'AADSTS700027' } }
      : undefined
    const holder = await gateway.signIn()
    t.strictSame(thumbprints(entra), [oldPrint, oldPrint, freshPrint])
    t.match(await gateway.provider.acquire(holder, orders), { kind: 'token' })
    t.strictSame(vault.read.length, 2)
  })

  t.test('is read again within 70 minutes, while the one before it serves', async t => {
    const { entra, vault, gateway } = await start(t, secretOf(old))
    const holder = await gateway.signIn()
    vault.secrets.set('gateway', secretOf(fresh))
    gateway.clock.advance(50 * minute)
    await gateway.provider.acquire(holder, graph)
    t.equal(vault.read.length, 1)
    gateway.clock.advance(20 * minute)
    await gateway.signIn()
    await until('a second reading', () => vault.read.length === 2)
    t.strictSame(thumbprints(entra), [oldPrint, oldPrint, oldPrint], 'nobody waits for the vault')
    await until('a sign-in with the new one', async () => {
      gateway.clock.advance(minute)
      await gateway.signIn()
      return thumbprints(entra).at(-1) === freshPrint
    })
  })

  t.test('serves on while the vault, or whoever gives tokens for it, is away', async t => {
    const { entra, vault, gateway } = await start(t, secretOf(old))
    await gateway.signIn()
    vault.status = 503
    gateway.clock.advance(24 * 60 * minute)
    await gateway.signIn()
    await until('a warning', () => gateway.logged.some(({ level, fields }) => level === 'warn' && 'credential' in fields))
    vault.status = undefined
    machine.answer = () => 400
    gateway.clock.advance(24 * 60 * minute)
    await gateway.signIn()
    t.strictSame(thumbprints(entra), [oldPrint, oldPrint, oldPrint])
    t.notMatch(JSON.stringify(gateway.logged), /token-of-the-machine|PRIVATE KEY/)
  })

  t.test('that is not exportable has no key there: a mistake of the config', async t => {
    const { entra, gateway } = await start(t, old.pem)
    await fails(t, gateway.signIn(), { code: 'SG_PROVIDER_MISCONFIGURED' })
    t.equal(entra.calls.length, 0)
  })

  t.test('is not handed to a proxy: it is fetched through its tunnel', async t => {
    const { proxy, gateway } = await start(t, secretOf(old))
    await gateway.signIn()
    t.strictSame(proxy.asked, ['contoso.vault.azure.net:443'], 'and the provider on this machine without it')
  })
})
