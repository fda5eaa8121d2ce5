/** This file writes the part of a gateway configuration that points it at this emulator. */
import type { App } from './directory/directory.ts'

export interface SnippetOptions {
  readonly origin: string
  readonly tenantId: string
  readonly client: App
  /** Path of the CA to trust; left out when unknown. */
  readonly caFile?: string
}

export function gatewaySnippet ({ origin, tenantId, client, caFile }: SnippetOptions): string {
  const [secret] = client.secrets
  const lines = [
    'server:',
    '  publicUrl: http://localhost:8080',
    'entra:',
    `  instance: ${origin}/`,
    `  tenantId: ${tenantId}`,
    `  clientId: ${client.clientId}`,
    ...(secret === undefined ? [] : ['  clientCredentials:', `    - { sourceType: ClientSecret, clientSecret: ${secret.value} }`]),
    ...(caFile ? [`  caFile: ${caFile}`] : [])
  ]
  return lines.join('\n')
}
