/**
 * This file has what every talk with the provider needs: where it is, the way there, its keys, and how the gateway proves
 * who it is. Nothing is read or sent before somebody asks.
 */
import { readFileSync } from 'node:fs'
import type { Environment } from '../config/environment.ts'
import type { Config } from '../config/schema.ts'
import { errors } from '../errors.ts'
import { createCredential } from './credential-sources.ts'
import type { Credential } from './credentials.ts'
import { graphOf } from './groups.ts'
import type { Log } from './log.ts'
import { type Metadata, pinnedMetadata } from './metadata.ts'
import { createMsal, type Msal } from './msal.ts'
import { createProviderNetwork, type ProviderCall, type ProviderNetwork } from './network.ts'
import { createSigningKeys, type SigningKeys } from './signing-keys.ts'

export interface ContactOptions {
  readonly entra: Config['entra']
  readonly environment: Environment
  /** As registered: `publicUrl` with `/.auth/callback`. */
  readonly redirectUri: string
  /** Epoch milliseconds. */
  readonly now: () => number
  /** From 0 to 1, for jitter. */
  readonly random: () => number
  readonly log: Log
  readonly onCall?: ((call: ProviderCall) => void) | undefined
}

export interface Contact {
  /** As tokens and endpoints write it. */
  readonly entra: Config['entra']
  /** The endpoints, where the config has them. */
  readonly pinned: Metadata | undefined
  /** Origin of Microsoft Graph; undefined where there is none. */
  readonly graph: string | undefined
  readonly network: ProviderNetwork
  readonly signingKeys: SigningKeys
  /** In the order of the config. */
  readonly credentials: readonly Credential[]
  /** @param metadata - throws while it is not known */
  msalWith (metadata: () => Metadata): Msal
}

/** @throws SG_CONFIG_INVALID `caFile` cannot be read */
export function createContact (options: ContactOptions): Contact {
  const { environment, redirectUri, now, random, log, onCall } = options
  const entra = canonical(options.entra)
  const { clientId, instance, tenantId, clientCapabilities, sendX5c } = entra
  const way = { ca: readCa(entra.caFile), proxy: environment.proxy, now }
  const pinned = pinnedMetadata(entra.authorityMetadata)
  const hasTenants = pinned === undefined
  const graph = entra.graphUrl ?? (hasTenants ? graphOf(instance) : undefined)
  const called = pinned === undefined ? [instance] : [pinned.tokenEndpoint, pinned.jwksUri]
  const origins = [...called, ...graph === undefined ? [] : [graph]].map(url => new URL(url).origin)
  const network = createProviderNetwork({ ...way, origins, onCall })
  const surroundings = { clientId, sendX5c, environment, network: way, now, random, log }
  return {
    entra,
    pinned,
    graph,
    network,
    signingKeys: createSigningKeys(network, now),
    credentials: entra.clientCredentials.map(one => createCredential(one, surroundings)),
    msalWith: metadata => createMsal({
      clientId, instance, tenantId, hasTenants, redirectUri, clientCapabilities, network: network.module, metadata
    })
  }
}

/** GUIDs in lower case, the instance with a slash at the end. */
function canonical (entra: Config['entra']): Config['entra'] {
  return {
    ...entra,
    instance: `${new URL(entra.instance).origin}/`,
    tenantId: entra.tenantId.toLowerCase(),
    clientId: entra.clientId.toLowerCase(),
    allowedTenants: entra.allowedTenants.map(tid => tid.toLowerCase())
  }
}

function readCa (caFile: string | undefined): string | undefined {
  try {
    return caFile === undefined ? undefined : readFileSync(caFile, 'utf8')
  } catch (cause) {
    throw new errors.SG_CONFIG_INVALID({ cause })
  }
}
