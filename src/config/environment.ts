/**
 * This file takes out of the environment what is not a matter of this gateway alone: the proxy on the way to the
 * internet, and the identity that Azure gives a pod. The names are those that every program knows.
 */
import type { Draft } from './draft.ts'
import type { Reader } from './reader.ts'

export interface Environment {
  /** Absent: straight to the provider. */
  readonly proxy?: Proxy | undefined
  /** Absent: this is no pod with Azure workload identity. */
  readonly workloadIdentity?: WorkloadIdentity | undefined
}

/** A forward proxy. */
export interface Proxy {
  /** With user name and password, if it wants them: never to be shown. */
  readonly url: string
  /** Hosts that are reached without it, as in `NO_PROXY`. */
  readonly except: string
}

/** @see https://azure.github.io/azure-workload-identity/docs/installation/mutating-admission-webhook.html */
export interface WorkloadIdentity {
  /** An https origin. */
  readonly authorityHost: string
  readonly tenantId: string
  readonly clientId: string
  readonly tokenFile: string
}

type Report = Draft<unknown>['report']

export function readEnvironment (reader: Reader, report: Report): Environment {
  return { proxy: proxyOf(reader, report), workloadIdentity: workloadIdentityOf(reader, report) }
}

/** The provider is on https. `HTTP_PROXY` counts where there is no other, as undici has it. */
function proxyOf ({ variable, hide }: Reader, report: Report): Proxy | undefined {
  const name = ['https_proxy', 'HTTPS_PROXY', 'http_proxy', 'HTTP_PROXY'].find(name => variable(name))
  const except = variable('no_proxy') ?? variable('NO_PROXY') ?? ''
  if (name === undefined || except.trim() === '*') return undefined
  const url = variable(name)!
  hide(url)
  if (isProxyUrl(url)) return { url, except }
  report('/entra', `is reached through ${name}, which must be a URL such as http://proxy.example.com:3128`)
  return undefined
}

function isProxyUrl (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, username, password } = new URL(text)
  try {
    decodeURIComponent(username + password)
  } catch {
    return false
  }
  return protocol === 'http:' || protocol === 'https:'
}

function workloadIdentityOf ({ variable }: Reader, report: Report): WorkloadIdentity | undefined {
  const [tokenFile, clientId, tenantId] = ['AZURE_FEDERATED_TOKEN_FILE', 'AZURE_CLIENT_ID', 'AZURE_TENANT_ID'].map(variable)
  if (!tokenFile || !clientId || !tenantId) return undefined
  const host = variable('AZURE_AUTHORITY_HOST') ?? 'https://login.microsoftonline.com/'
  if (host.startsWith('https://') && URL.canParse(host)) return { authorityHost: new URL(host).origin, tenantId, clientId, tokenFile }
  report('/entra', 'asks AZURE_AUTHORITY_HOST for the workload identity, which must be an https URL')
  return undefined
}
