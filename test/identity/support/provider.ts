/**
 * This file is a scripted identity provider on loopback HTTPS: it answers like Entra does until a test puts a script in
 * front, and remembers what it was asked. For whole conversations there is the emulator.
 */
import { createServer } from 'node:https'
import type { IncomingMessage, ServerResponse } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { exportJWK, generateKeyPair, SignJWT, type CryptoKey, type JWK } from 'jose'
import type { Test } from 'tap'
import { createTlsIdentity } from '../../../emulator/tls/authority.ts'

export const tenant = '11111111-1111-4111-8111-111111111111'
export const client = '22222222-2222-4222-8222-222222222222'
export const alice = '33333333-3333-4333-8333-333333333333'
export const bob = '44444444-4444-4444-8444-444444444444'

export interface Reply {
  readonly status?: number
  readonly headers?: Record<string, string>
  /** An object is sent as JSON, text as it is. */
  readonly body?: unknown
  /** Called with the response instead of sending one. */
  readonly raw?: (response: ServerResponse, socket: Socket) => void
}

export interface TokenCall {
  readonly form: URLSearchParams
  readonly url: string
  readonly headers: IncomingMessage['headers']
}

type Script = (call: TokenCall, number: number) => Reply | undefined | Promise<Reply | undefined>

export interface ScriptedProvider {
  readonly origin: string
  readonly ca: string
  /** Token requests, in order. */
  readonly calls: TokenCall[]
  /** Paths of everything that was asked. */
  readonly paths: string[]
  /** Asked before the usual answer; undefined falls through to it. */
  onToken: Script
  onDocument: (path: string) => Reply | undefined
  /** Sign-ins are of this user. */
  oid: string
  readonly key: SigningPair
  /** Members laid over those of ID tokens. */
  idClaims: Record<string, unknown>
  /** Seconds. */
  expiresIn: number
  close (): Promise<void>
}

export interface SigningPair {
  readonly kid: string
  readonly privateKey: CryptoKey
  readonly jwk: JWK & { issuer?: string }
}

export async function createSigningPair (kid: string, issuer?: string): Promise<SigningPair> {
  const { privateKey, publicKey } = await generateKeyPair('RS256', { extractable: true })
  const jwk = { ...await exportJWK(publicKey), kid, use: 'sig', ...(issuer === undefined ? {} : { issuer }) }
  return { kid, privateKey, jwk }
}

const identity = createTlsIdentity('localhost')
const signingPair = createSigningPair('key-1')

/** @param port - 0: any free one */
export async function startProvider (t: Test, port = 0): Promise<ScriptedProvider> {
  const server = createServer({ key: identity.privateKeyPem, cert: identity.certificatePem }, (request, response) => {
    handle(request, response).catch(error => { response.destroy(error) })
  })
  await new Promise<void>(resolve => server.listen(port, '127.0.0.1', resolve))
  const key = await signingPair
  const provider: ScriptedProvider = {
    origin: `https://localhost:${(server.address() as AddressInfo).port}`,
    ca: identity.caPem,
    calls: [],
    paths: [],
    onToken: () => undefined,
    onDocument: () => undefined,
    oid: alice,
    key,
    idClaims: {},
    expiresIn: 4000,
    async close () {
      server.closeAllConnections()
      await new Promise(resolve => server.close(resolve))
    }
  }
  t.teardown(provider.close)

  async function handle (request: IncomingMessage, response: ServerResponse): Promise<void> {
    const path = request.url!.split('?')[0]!
    provider.paths.push(path)
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const form = new URLSearchParams(Buffer.concat(chunks).toString())
    const reply = await replyTo({ form, url: request.url!, headers: request.headers }, path)
    if (reply.raw !== undefined) return reply.raw(response, request.socket)
    const body = typeof reply.body === 'string' ? reply.body : JSON.stringify(reply.body ?? {})
    response.writeHead(reply.status ?? 200, { 'content-type': 'application/json', ...reply.headers }).end(body)
  }

  async function replyTo (call: TokenCall, path: string): Promise<Reply> {
    if (path.endsWith('/oauth2/v2.0/token')) {
      provider.calls.push(call)
      return await provider.onToken(call, provider.calls.length) ?? { body: await tokens(provider, call.form) }
    }
    return provider.onDocument(path) ?? documents(provider, path)
  }

  return provider
}

function documents ({ origin, key }: ScriptedProvider, path: string): Reply {
  if (path.endsWith('/discovery/v2.0/keys')) return { body: { keys: [key.jwk] } }
  if (!path.endsWith('/v2.0/.well-known/openid-configuration')) return { status: 404, body: { error: 'not_found' } }
  const name = path.split('/')[1]!
  return { body: metadataOf(origin, name) }
}

/** @param name - tenant or alias; a domain is answered with its tenant's GUID in all addresses, as Entra does */
export function metadataOf (origin: string, name: string): Record<string, unknown> {
  const base = `${origin}/${name.includes('.') ? tenant : name}`
  return {
    issuer: `${origin}/${name === 'organizations' ? '{tenantid}' : tenant}/v2.0`,
    authorization_endpoint: `${base}/oauth2/v2.0/authorize`,
    token_endpoint: `${base}/oauth2/v2.0/token`,
    jwks_uri: `${base}/discovery/v2.0/keys`,
    end_session_endpoint: `${base}/oauth2/v2.0/logout`
  }
}

let issued = 0

/** What Entra answers to a code or a refresh token. A code is the nonce of its sign-in. */
export async function tokens (provider: ScriptedProvider, form: URLSearchParams): Promise<Record<string, unknown>> {
  const { origin, oid, expiresIn } = provider
  const scopes = (form.get('scope') ?? '').split(' ').filter(scope => scope !== 'offline_access')
  const nonce = form.get('grant_type') === 'authorization_code' ? { nonce: form.get('code') } : {}
  issued++
  return {
    token_type: 'Bearer',
    scope: scopes.join(' '),
    expires_in: expiresIn,
    ext_expires_in: expiresIn,
    access_token: `at-${issued}-${scopes[0]}`,
    refresh_token: `rt-${issued}-${oid}`,
    id_token: await idToken(provider.key, { iss: `${origin}/${tenant}/v2.0`, oid, sub: `sub-of-${oid}`, ...nonce, ...provider.idClaims }),
    client_info: Buffer.from(JSON.stringify({ uid: oid, utid: tenant })).toString('base64url')
  }
}

type Members = Record<string, unknown>

/** Signs an ID token of a usual kind; `claims` are laid over it, undefined ones are left out. */
export async function idToken ({ kid, privateKey }: SigningPair, claims: Members, header: Members = {}): Promise<string> {
  const at = Math.floor(Date.now() / 1000) - 300
  const usual = { aud: client, iat: at, nbf: at, exp: at + 3900, tid: tenant, oid: alice, sub: 'sub', ver: '2.0', name: 'Alice' }
  const payload = Object.fromEntries(Object.entries({ ...usual, ...claims }).filter(([, value]) => value !== undefined))
  return new SignJWT(payload).setProtectedHeader({ alg: 'RS256', typ: 'JWT', kid, ...header }).sign(privateKey)
}
