/** This file is what every part of the emulator is handed: settings, clock, keys, state, and the two test instruments. */
import type { EmulatorConfig, Lifetimes, Quirks } from './config/shape.ts'
import type { Clock } from './clock.ts'
import type { SigningKeys } from './keys/signing-keys.ts'
import type { State } from './state.ts'
import type { Faults } from './admin/faults.ts'
import type { RequestLog } from './http/request-log.ts'

export interface World {
  /** As loaded; `reset` goes back to it. */
  readonly config: EmulatorConfig
  /** Known once the emulator listens. */
  origin: string
  readonly issuerMode: 'own' | 'microsoft'
  readonly lifetimes: Lifetimes
  readonly quirks: Quirks
  readonly clock: Clock
  readonly keys: SigningKeys
  state: State
  readonly faults: Faults
  readonly requests: RequestLog
  /** Also decides whether the index page may switch policies. */
  readonly adminEnabled: boolean
  /** null: local callers need none. */
  readonly adminToken: string | null
}

export const DEFAULT_LIFETIMES: Lifetimes = {
  code: 600,
  accessToken: [3600, 5400],
  idToken: 3600,
  refreshToken: 7_776_000,
  cae: [72_000, 100_800]
}

export const DEFAULT_QUIRKS: Quirks = {
  refreshReuse: 'allow',
  iatSkew: 300,
  frontChannelIss: false,
  strictRefreshScopes: false,
  requireTokenScope: false,
  descriptionStyle: 'space',
  codeLength: 600,
  rtLength: 1200,
  staySignedIn: false,
  silentConsentError: 'consent_required',
  errorPageStatus: 400
}

/** `iss` of ID tokens and v2 access tokens. */
export function issuerV2 (world: World, tenantId: string): string {
  const base = world.issuerMode === 'microsoft' ? 'https://login.microsoftonline.com' : world.origin
  return `${base}/${tenantId}/v2.0`
}

/** `iss` of v1 access tokens; the slash at the end is Entra's. */
export function issuerV1 (world: World, tenantId: string): string {
  const base = world.issuerMode === 'microsoft' ? 'https://sts.windows.net' : world.origin
  return `${base}/${tenantId}/`
}
