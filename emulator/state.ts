/** This file is everything the emulator remembers: records in Maps, so that a snapshot is one structured clone. */
import { randomBytes } from 'node:crypto'
import type { Tenant } from './directory/directory.ts'

export interface State {
  tenants: Tenant[]
  /** By the value of the ESTSAUTH cookie. */
  browsers: Map<string, Browser>
  flows: Map<string, Flow>
  codes: Map<string, CodeRecord>
  refreshTokens: Map<string, RefreshRecord>
  /** By `uti`. */
  issued: Map<string, IssuedToken>
}

/** One browser with everybody signed in to it. */
export interface Browser {
  id: string
  createdAt: number
  /** "Stay signed in": 90 days instead of 24 hours. */
  persistent: boolean
  accounts: SignedInAccount[]
}

/** How and when somebody proved who they are; remembered by codes and refresh tokens. */
export interface Authentication {
  tenantId: string
  oid: string
  sid: string
  amr: string[]
  /** Epoch milliseconds. */
  authAt: number
  /** Epoch milliseconds of the second factor; 0: none. */
  mfaAt: number
}

export interface SignedInAccount extends Authentication {
  /** Client ids used with this sign-in: they get the front-channel sign-out. */
  apps: string[]
}

/** One pending visit to the pages. Its id is what a form has to bring back. */
export interface Flow {
  id: string
  kind: 'authorize' | 'admin-consent' | 'logout' | 'index'
  createdAt: number
  /** Tenant as in the path: GUID, domain or common. */
  tenantName: string
  /** Parameters of the request that began it. */
  parameters: Record<string, string>
  /** The account page shows the e-mail field instead of the tiles. */
  asksUsername: boolean
  /** Filled into the e-mail field. */
  usernameHint: string
  /** The account chosen. */
  user: { tenantId: string, oid: string } | null
  /** How that account is authenticated so far; null: not yet. */
  authentication: Authentication | null
  /** A session in the browser does not count: `prompt=login`, or a sign-in too old for a policy. */
  mustAuthenticate: boolean
  /** Answer to "Stay signed in?"; null: not asked. */
  staySignedIn: boolean | null
  consentGiven: boolean
}

export interface CodeRecord extends Authentication {
  clientId: string
  redirectUri: string
  /** `scope` of /authorize as sent. */
  scope: string
  nonce: string | null
  challenge: { value: string, method: 'S256' | 'plain' } | null
  claims: string | null
  issuedAt: number
  redeemed: boolean
  revoked: boolean
  /** Platform of the redirect URI. */
  platform: Platform
}

export type Platform = 'web' | 'spa' | 'publicClient'

export interface RefreshRecord extends Authentication {
  /** Set by a password reset or a revocation, which end what was issued before them (50173). */
  revoked: boolean
  clientId: string
  /** `scope` of the original grant, for a refresh without one. */
  scope: string
  issuedAt: number
  platform: Platform
  /** Refresh tokens of SPAs do not roll: they keep the moment of sign-in. */
  grantedAt: number
}

export interface IssuedToken {
  uti: string
  kind: 'access' | 'id'
  aud: string
  scp: string
  clientId: string
  oid: string
  expiresAt: number
  /** APIs that do continuous access evaluation challenge it. */
  revoked: boolean
  /** How the user had signed in, for on-behalf-of; null for app tokens. */
  authentication: Authentication | null
}

export function createState (tenants: Tenant[]): State {
  return {
    tenants,
    browsers: new Map(),
    flows: new Map(),
    codes: new Map(),
    refreshTokens: new Map(),
    issued: new Map()
  }
}

/** A random url-safe handle of exactly `length` characters. */
export function createHandle (length = 43): string {
  return randomBytes(Math.ceil(length * 3 / 4)).toString('base64url').slice(0, length)
}
