/** This file is MSAL Node pointed at the emulator, with a network module that trusts its CA. */
import {
  ConfidentialClientApplication, CryptoProvider,
  type AccountInfo, type AuthenticationResult, type Configuration, type INetworkModule
} from '@azure/msal-node'
import { Agent, fetch } from 'undici'
import type { Emulator } from '../../../emulator/start.ts'
import type { Browser } from './browser.ts'

export const CONTOSO = '11111111-1111-4111-8111-111111111111'
export const GATEWAY = '22222222-2222-4222-8222-222222222222'
export const ORDERS = '44444444-4444-4444-8444-444444444444'
export const CALLBACK = 'http://localhost:8080/.auth/callback'

export function createNetwork (emulator: Pick<Emulator, 'caPem'>): INetworkModule & { close: () => Promise<void> } {
  const dispatcher = new Agent({ connect: { ca: emulator.caPem } })
  async function send<T> (method: string, url: string, options: { headers?: Record<string, string>, body?: string } = {}) {
    const response = await fetch(url, { method, ...options, dispatcher })
    const text = await response.text()
    let body: unknown = text
    try {
      body = JSON.parse(text)
    } catch {} // MSAL's own module hands text on when it is not JSON
    return { status: response.status, headers: Object.fromEntries(response.headers), body: body as T }
  }
  return {
    sendGetRequestAsync: (url, options) => send('GET', url, options),
    sendPostRequestAsync: (url, options) => send('POST', url, options),
    close: () => dispatcher.close()
  }
}

type Client = ConfidentialClientApplication

export interface MsalOptions {
  readonly auth?: Partial<Configuration['auth']>
  readonly tenant?: string
}

/** A confidential client with the gateway's registration, as the gateway itself configures one. */
export function createMsal (emulator: Emulator, network: INetworkModule, options: MsalOptions = {}): Client {
  return new ConfidentialClientApplication({
    auth: {
      clientId: GATEWAY,
      authority: `${emulator.origin}/${options.tenant ?? CONTOSO}`,
      knownAuthorities: [new URL(emulator.origin).host],
      ...(options.auth?.clientAssertion ?? options.auth?.clientCertificate ? {} : { clientSecret: 'gw-secret' }),
      ...options.auth
    },
    system: { networkClient: network }
  })
}

export interface SignInOptions {
  readonly upn?: string
  readonly scopes?: string[]
  /** Scopes of /authorize, when more than those of the code redemption. */
  readonly askedScopes?: string[]
  readonly claims?: string
  readonly extra?: Record<string, string>
}

/** Code flow with PKCE and nonce, pages skipped by autologin and autoconsent. */
export async function signIn (client: Client, browser: Browser, options: SignInOptions = {}): Promise<AuthenticationResult> {
  const { verifier, challenge } = await new CryptoProvider().generatePkceCodes()
  const scopes = options.scopes ?? ['api://orders/Orders.Read']
  const claims = options.claims === undefined ? {} : { claims: options.claims }
  const url = await client.getAuthCodeUrl({
    scopes: options.askedScopes ?? scopes,
    redirectUri: CALLBACK,
    codeChallenge: challenge,
    codeChallengeMethod: 'S256',
    state: 'the-state',
    nonce: 'the-nonce',
    ...claims
  })
  const extra = new URLSearchParams({ autologin: options.upn ?? 'alice@contoso.example', autoconsent: '1', ...options.extra })
  const { location, body } = await browser.get(`${url}&${extra.toString()}`)
  const answer = location === '' ? undefined : new URL(location).searchParams
  const code = answer?.get('code')
  if (!code) throw new Error(`no code but ${location || body}`)
  return await client.acquireTokenByCode(
    { code, scopes, redirectUri: CALLBACK, codeVerifier: verifier, state: 'the-state', nonce: 'the-nonce', ...claims },
    { code, state: answer!.get('state') ?? '', nonce: 'the-nonce' }
  )
}

/** The account of a sign-in, which MSAL types as nullable. */
export function accountOf (result: AuthenticationResult): AccountInfo {
  if (result.account === null) throw new Error('no account')
  return result.account
}
