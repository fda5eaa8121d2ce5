/** Scope strings, the resources they belong to, and the echo of a response. */
import t from 'tap'
import { loadDefaultConfig } from '../../emulator/config/load.ts'
import { buildTenants } from '../../emulator/directory/build.ts'
import { GRAPH_ID } from '../../emulator/directory/graph-app.ts'
import { echoScopes, resolveScopes } from '../../emulator/scopes.ts'
import { configWith } from './support/config.ts'

const tenants = buildTenants(configWith({
  apps: {
    'Azure management': { clientId: '797f4846-ba00-4fd7-ba43-dac1f8f63013', identifierUris: ['https://management.azure.com/'], scopes: [{ value: 'user_impersonation' }] }
  }
}))
const tenant = tenants[0]!
const client = tenant.apps.find(({ name }) => name === 'Gateway')!
const resolve = (scope: string) => resolveScopes(scope, { client, tenant, tenants })
const summary = (scope: string) => resolve(scope).resources.map(({ resource, scopes }) => [resource.name, scopes.map(({ value }) => value).join(' ')])

t.test('resources are found by URI, GUID and nothing at all', async (t) => {
  t.strictSame(summary('openid User.Read'), [['Microsoft Graph', 'User.Read']])
  t.strictSame(summary(`${GRAPH_ID}/User.Read`), [['Microsoft Graph', 'User.Read']])
  t.strictSame(summary('api://orders/Orders.Read api://orders/Orders.Write'), [['Orders API', 'Orders.Read Orders.Write']])
  t.strictSame(summary('https://management.azure.com//.default'), [['Azure management', '.default']], 'split at the last slash')
  t.strictSame(summary('https://management.azure.com/.default'), [['Azure management', '.default']])
  t.strictSame(summary(`${client.clientId}/access_as_user`), [['Gateway', 'access_as_user']], 'an app may ask for itself by GUID')
  t.strictSame(summary('  openid   openid OPENID '), [])
  t.strictSame(resolve('OPENID Profile').oidc, ['openid', 'profile'])
  t.strictSame(summary('API://Orders/orders.read api://orders/Orders.Read'), [['Orders API', 'Orders.Read']], 'case and repetition do not matter')
})

t.test('what is refused', async (t) => {
  const refused: [string, number][] = [
    ['openid,profile', 70011],
    ['api://orders/.default api://orders/Orders.Read', 70011],
    ['api://orders/.default api://reports/Reports.Read', 70011],
    ['api://nowhere/x', 500011],
    ['Gateway/access_as_user', 500011],
    ['Mail.Fly', 650053],
    ['api://22222222-2222-4222-8222-222222222222/access_as_user', 90009]
  ]
  for (const [scope, code] of refused) t.throws(() => resolve(scope), { name: 'EntraError', code } as never, scope)
})

t.test('the echo', async (t) => {
  const echo = (scope: string, granted: string[]) => {
    const { resources, oidc } = resolve(scope)
    return echoScopes(resources[0]!, oidc, granted)
  }
  t.equal(echo('User.Read openid profile offline_access', ['openid', 'User.Read', 'Mail.Read']), 'openid profile User.Read Mail.Read')
  t.equal(echo('https://graph.microsoft.com/User.Read', ['User.Read', 'Mail.Read']), 'https://graph.microsoft.com/User.Read https://graph.microsoft.com/Mail.Read')
  t.equal(echo('User.Read https://graph.microsoft.com/Mail.Read', ['User.Read', 'Mail.Read']), 'User.Read https://graph.microsoft.com/Mail.Read')
  t.equal(echo('openid api://orders/.default', ['Orders.Read', 'Orders.Write']), 'api://orders/Orders.Read api://orders/Orders.Write api://orders/.default')
  t.equal(echo('https://management.azure.com//.default', ['user_impersonation']), 'https://management.azure.com//user_impersonation https://management.azure.com//.default')
})

t.test('the default configuration is the one of the demo', async (t) => {
  t.equal(loadDefaultConfig().origin, 'https://localhost:8443')
})
