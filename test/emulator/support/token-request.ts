/** This file posts to the token endpoint by hand, for what MSAL would never send. */
import type { Answer, Browser } from './browser.ts'
import { CALLBACK, CONTOSO, GATEWAY } from './msal.ts'
import type { LoginOrder } from '../../../emulator/admin/headless.ts'
import type { Emulator } from '../../../emulator/start.ts'

export interface TokenAnswer extends Answer {
  readonly json: Record<string, unknown>
}

/** A form to the token endpoint, with the gateway's secret unless the form brings other credentials. */
export async function postToken (browser: Browser, form: Record<string, string>, tenant = CONTOSO): Promise<TokenAnswer> {
  const brings = ['client_secret', 'client_assertion', 'no_credential'].some((name) => name in form)
  const { no_credential: _none, ...sent } = form
  const credential: Record<string, string> = brings ? {} : { client_secret: 'gw-secret' }
  const answer = await browser.post(`/${tenant}/oauth2/v2.0/token`, { client_id: GATEWAY, ...credential, ...sent })
  return { ...answer, json: JSON.parse(answer.body) as Record<string, unknown> }
}

/** A code of a headless sign-in; consent is given to whatever is asked for. */
export function headlessCode (entra: Emulator, options: Partial<LoginOrder> = {}): string {
  entra.admin.grant({ client: 'Gateway', resource: 'api://orders', scopes: ['Orders.Read'] })
  return entra.admin.login({ user: 'alice@contoso.example', client: 'Gateway', redirectUri: CALLBACK, ...options }).code
}

export function redeem (browser: Browser, code: string, extra: Record<string, string> = {}): Promise<TokenAnswer> {
  return postToken(browser, { grant_type: 'authorization_code', code, redirect_uri: CALLBACK, ...extra })
}

/** The AADSTS code of an error answer. */
export function aadstsOf ({ json }: TokenAnswer): unknown {
  return Array.isArray(json.error_codes) ? json.error_codes[0] : undefined
}
