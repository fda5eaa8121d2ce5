/** This file builds the identity subsystem of one gateway against a provider, with a clock that moves when told to. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Test } from 'tap'
import { createScopeSets } from '../../../src/config/scope-sets.ts'
import type { Config } from '../../../src/config/schema.ts'
import { createEntraProvider, type EntraOptions } from '../../../src/identity/entra.ts'
import type { SessionHolder } from '../../../src/identity/holder.ts'
import type { Account, IdClaims, IdentityProvider, ReadyToken, RunningProvider, TokenOutcome } from '../../../src/identity/provider.ts'
import { createKeyRing, generateKey } from '../../../src/store/key-ring.ts'
import { createMemoryStore } from '../../../src/store/memory.ts'
import type { Store } from '../../../src/store/store.ts'
import { createClock, type Clock } from './clock.ts'
import { client, tenant } from './provider.ts'

export const redirectUri = 'http://localhost:8080/.auth/callback'
export const ordersScopes = ['api://orders/Orders.Read']
export const graphScopes = ['User.Read']
export const reportsScopes = ['api://reports/Reports.Read']

/** Indices of the scope sets. */
export const orders = 0
export const graph = 1
export const reports = 2

export interface Logged {
  readonly level: string
  readonly fields: object
  readonly message: string
}

export interface Gateway {
  readonly provider: RunningProvider
  readonly store: Store
  readonly clock: Clock
  readonly logged: Logged[]
  /** A session of the account that lasts eight hours. */
  holder (account: Account, key?: string): SessionHolder
  signIn (oid?: string): Promise<SessionHolder>
}

export interface GatewayOptions extends Partial<Omit<EntraOptions, 'entra'>> {
  readonly entra?: Partial<Config['entra']>
  readonly clock?: Clock
}

interface Place {
  readonly origin: string
  readonly ca: string
}

export const keyRing = createKeyRing([generateKey()], 'test')

let sessions = 0

/** @param at - where the provider is, and its CA as PEM text */
export async function createGateway (t: Test, at: Place, options: GatewayOptions = {}): Promise<Gateway> {
  const { clock = createClock(t), entra, ...rest } = options
  const store = rest.store ?? createMemoryStore({ now: clock.now })
  const logged: Logged[] = []
  const log = (level: string) => (fields: object, message: string) => { logged.push({ level, fields, message }) }
  const sets = createScopeSets()
  for (const scopes of [ordersScopes, graphScopes, reportsScopes]) sets.indexOf(scopes)
  const provider = createEntraProvider({
    redirectUri,
    scopeSets: sets.all,
    keys: keyRing,
    now: clock.now,
    log: { info: log('info'), warn: log('warn'), error: log('error') },
    random: () => 0.5,
    ...rest,
    store,
    entra: {
      instance: `${at.origin}/`,
      tenantId: tenant,
      allowedTenants: [],
      clientId: client,
      clientCredentials: [{ sourceType: 'ClientSecret', clientSecret: 'gw-secret' }],
      sendX5c: false,
      authorityMetadata: { userClaim: 'oid' },
      clientCapabilities: [],
      initialScopes: [],
      caFile: writeTemporary(t, at.ca),
      ...entra
    }
  })
  t.teardown(async () => {
    await provider.close()
    await store.close()
  })

  function holder (account: Account, key = `session-${++sessions}.1`): SessionHolder {
    return { kind: 'session', key, account, absoluteEndsAt: clock.now() + 8 * 3_600_000 }
  }

  return {
    provider,
    store,
    clock,
    logged,
    holder,
    async signIn () {
      await provider.ready
      const nonce = `nonce-${++sessions}`
      const request = { code: nonce, nonce, codeVerifier: 'v'.repeat(43), scopes: ordersScopes }
      const { account } = await provider.redeem(request, { absoluteEndsAt: clock.now() + 8 * 3_600_000 })
      return holder(account)
    }
  }
}

/** The newest claims of an account, to somebody who has seen none. */
export async function newestClaims (provider: Pick<IdentityProvider, 'newestClaims'>, account: Account): Promise<IdClaims | undefined> {
  const reading = await provider.newestClaims(account, NaN)
  return reading === 'as before' ? undefined : reading.claims
}

export function writeTemporary (t: Test, text: string | Buffer, name = 'file.pem'): string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-test-'))
  t.teardown(() => rmSync(folder, { recursive: true, force: true }))
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}

/** The token of an outcome that must be one. */
export function tokenOf (outcome: TokenOutcome): ReadyToken {
  if (outcome.kind !== 'token') throw new Error(`no token but ${JSON.stringify(outcome)}`)
  return outcome
}
