/** This file is API clients: programs that come with a bearer token of their own, made by the emulator. */
import type { Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import { clientId } from './gateway.ts'
import { exchange, type RawAnswer, type RawRequest } from './raw.ts'

/** The command-line client of the emulator's directory. */
export const cliId = '66666666-6666-4666-8666-666666666666'
/** A service principal that is in no directory: the emulator signs for it what a test says. */
export const daemonId = 'dddddddd-dddd-4ddd-8ddd-dddddddddddd'

type Admin = Emulator['admin']
type Claims = NonNullable<Parameters<Admin['forge']>[0]['claims']>

/** A user's access token for the gateway, as the command-line client gets it. */
export async function userToken ({ admin }: Emulator, user = 'alice@contoso.example', more: { readonly mfa?: boolean, readonly contexts?: readonly string[] } = {}): Promise<string> {
  return await admin.token({ user, client: cliId, scope: `api://${clientId}/access_as_user`, ...more })
}

/** An app's own access token for the gateway. */
export async function appToken ({ admin }: Emulator, claims: Claims = {}): Promise<string> {
  return await admin.forge({ claims: { aud: clientId, azp: daemonId, azpacr: '1', oid: daemonId, sub: daemonId, uti: 'u', ...claims } })
}

export interface CallOptions extends Omit<RawRequest, 'target'> {
  /** The bearer token. */
  readonly token?: string
}

/** One request of an API client. */
export async function call (t: Test, port: number, target: string, options: CallOptions = {}): Promise<RawAnswer> {
  const { token, fields = [], ...rest } = options
  const all = token === undefined ? fields : [...fields, ['Authorization', `Bearer ${token}`] as const]
  return await exchange(t, port, { target, fields: all, ...rest })
}

/** The claims request of a challenge in WWW-Authenticate. */
export function claimsOf (answer: RawAnswer): unknown {
  const [, claims] = /claims="([^"]+)"/.exec(answer.header('www-authenticate') ?? '') ?? []
  return claims === undefined ? undefined : JSON.parse(Buffer.from(claims, 'base64').toString())
}
