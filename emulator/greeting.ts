/** This file is what the command line prints once the emulator listens. */
import { buildTenants } from './directory/build.ts'
import type { Tenant } from './directory/directory.ts'
import { gatewaySnippet } from './gateway-snippet.ts'
import type { Emulator } from './start.ts'

export function greeting (emulator: Emulator, { isAdminOpen }: { isAdminOpen: boolean }): string {
  const { origin, caFile, config, adminToken, warnings } = emulator
  const tenants = buildTenants(config)
  const client = tenants[0]?.apps.find(({ redirectUris }) => redirectUris.web.length > 0)
  return [
    ...warnings.map((warning) => `WARNING: ${warning}`),
    `Entra ID emulator: ${origin}`,
    caFile === '' ? 'TLS is off.' : `CA to trust: ${caFile}`,
    ...(isAdminOpen ? [`Admin API: ${origin}/_emulator${adminToken === null ? '' : `, bearer token ${adminToken}`}`] : []),
    '',
    ...tenants.flatMap(describeTenant),
    ...(client === undefined ? [] : ['Gateway configuration:', '', gatewaySnippet({ origin, tenantId: tenants[0]!.id, client, caFile }), '']),
    'Ctrl-C ends it.'
  ].join('\n')
}

function describeTenant ({ name, id, users }: Tenant): string[] {
  const lines = users.map(({ upn, password, state, globalAdmin }) => {
    const notes = [password === null ? 'no password' : `password ${password}`, globalAdmin && 'admin', state !== 'active' && state]
    return `  ${upn} (${notes.filter(Boolean).join(', ')})`
  })
  return [`${name}, tenant ${id}`, ...lines, '']
}
