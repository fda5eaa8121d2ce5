/** The configuration: every problem is named, files are read, references are resolved. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { stringify } from 'yaml'
import t from 'tap'
import { checkConfig } from '../../emulator/config/check.ts'
import { loadConfig, loadDefaultConfig } from '../../emulator/config/load.ts'
import { buildTenants } from '../../emulator/directory/build.ts'
import { createClientCertificate } from './support/client-certificate.ts'
import { configWith } from './support/config.ts'

t.test('all problems at once, each with its place', async (t) => {
  const wrong = {
    origin: 8443,
    tenants: [{
      id: 'not-a-guid',
      domains: 'contoso.example',
      users: [{ name: 'no upn', state: 'asleep' }],
      apps: [{ clientId: '22222222-2222-4222-8222-222222222222', secrets: ['bare'], accessTokenVersion: 3, toString: 1 }]
    }],
    lifetimes: { accessToken: [100, 50] },
    tyop: true
  }
  t.throws(() => checkConfig(wrong), {
    message: [
      "the emulator's configuration has problems:",
      'config.origin: text expected',
      'config.tenants[0].id: a GUID expected',
      'config.tenants[0].domains: a list expected',
      'config.tenants[0].users[0].upn: missing',
      'config.tenants[0].users[0].state: one of active, disabled, locked, passwordExpired expected',
      'config.tenants[0].apps[0].secrets[0]: a map expected',
      'config.tenants[0].apps[0].accessTokenVersion: one of 1, 2 expected',
      'config.tenants[0].apps[0].toString: unknown key',
      'config.lifetimes.accessToken: [from, to] in seconds expected',
      'config.tyop: unknown key'
    ].join('\n')
  })
  t.throws(() => checkConfig(null), { message: /a map expected/ })
})

t.test('certificates and key sets may be files beside the configuration', async (t) => {
  const folder = t.testdir()
  const { pem } = createClientCertificate()
  writeFileSync(join(folder, 'gw.crt'), pem)
  writeFileSync(join(folder, 'issuer.json'), '{"keys":[]}')
  const federated = [{ issuer: 'https://i.example', subject: 's', jwks: './issuer.json' }]
  const file = join(folder, 'emulator.yaml')
  writeFileSync(file, stringify(configWith({ apps: { Gateway: { certificates: [{ pem: './gw.crt' }], federated } } })))
  const gateway = loadConfig(file).tenants[0]!.apps!.find(({ name }) => name === 'Gateway')
  t.equal(gateway?.certificates?.[0]?.pem, pem)
  t.strictSame(gateway?.federated?.[0]?.jwks, { keys: [] })
})

t.test('references that lead nowhere are refused by name', async (t) => {
  const build = (changes: Parameters<typeof configWith>[0]) => () => buildTenants(configWith(changes))
  t.throws(build({ users: { 'x@contoso.example': { roles: { 'api://nowhere': [] } } } }), { message: /no app "api:\/\/nowhere"/ })
  t.throws(build({ tenant: { grants: [{ client: 'Gateway', resource: 'api://orders', scopes: [], principal: 'nobody' }] } }), { message: /no user "nobody"/ })
  t.throws(build({ users: { 'x@y.example': { guestOf: CONTOSO_TWIN } } }), { message: /home tenant .* is not configured/ })
})

const CONTOSO_TWIN = '11111111-1111-4111-8111-111111111112'

t.test('ids that are not configured are the same in every run', async (t) => {
  const oids = () => buildTenants(loadDefaultConfig()).flatMap(({ users }) => users.map(({ oid }) => oid))
  t.strictSame(oids(), oids())
  t.equal(new Set(oids()).size, oids().length)
})
