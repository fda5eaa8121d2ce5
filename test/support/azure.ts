/**
 * This file is the part of Azure that a gateway's credentials come from, on loopback: the service that gives machines
 * their tokens, and a key vault.
 */
import { createServer as createPlainServer } from 'node:http'
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import type { IncomingMessage, RequestListener, ServerResponse } from 'node:http'
import type { Test } from 'tap'
import { createAuthority } from './certificates.ts'

/** A request to the instance metadata service, or to the endpoint that App Service has for the same. */
export interface TokenQuestion {
  readonly path: string
  readonly resource: string | null
  readonly clientId: string | null
  readonly headers: IncomingMessage['headers']
}

/** What the service gives out unless told otherwise, and what a vault takes. */
export const tokenOfMachine = 'token-of-the-machine'

export interface TokenService {
  readonly origin: string
  readonly asked: TokenQuestion[]
  /** What it gives out, or a status to refuse with. */
  answer: (question: TokenQuestion) => string | number | Promise<string>
}

/** @see https://learn.microsoft.com/entra/identity/managed-identities-azure-resources/how-to-use-vm-token */
export async function startTokenService (t: Test): Promise<TokenService> {
  const asked: TokenQuestion[] = []
  const port = await listen(t, createPlainServer(answering(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'http://localhost')
    const { headers } = request
    const question = { path: pathname, resource: searchParams.get('resource'), clientId: searchParams.get('client_id'), headers }
    asked.push(question)
    const token = await service.answer(question)
    if (typeof token === 'number') return answerJson(response, token, { error: 'invalid_request', error_description: 'Identity not found' })
    const expiresOn = String(Math.floor(Date.now() / 1000) + 86_400)
    answerJson(response, 200, { access_token: token, expires_on: expiresOn, resource: question.resource, token_type: 'Bearer' })
  })))
  const service: TokenService = { origin: `http://127.0.0.1:${port}`, asked, answer: () => tokenOfMachine }
  return service
}

export interface KeyVault {
  readonly port: number
  readonly ca: string
  /** Paths that were asked for with a token that the vault takes. */
  readonly read: string[]
  /** Name -> what is in it. */
  readonly secrets: Map<string, string>
  /** Whether a token opens it. */
  isToken: (token: string) => boolean
  /** Answers everything with this. */
  status: number | undefined
}

/** A vault under its own name on TLS: to be reached through a proxy that knows it. */
export async function startKeyVault (t: Test, host: string): Promise<KeyVault> {
  const authority = createAuthority('Vault CA')
  const read: string[] = []
  const secrets = new Map<string, string>()
  const port = await listen(t, createServer(authority.issue([host]), answering(async (request, response) => {
    const { pathname, searchParams } = new URL(request.url!, 'https://localhost')
    if (vault.status !== undefined) return answerJson(response, vault.status, { error: { code: 'Refused' } })
    if (!vault.isToken(request.headers.authorization?.replace(/^Bearer /, '') ?? '')) {
      const challenge = 'Bearer authorization="https://login.microsoftonline.com/x", resource="https://vault.azure.net"'
      response.setHeader('www-authenticate', challenge)
      return answerJson(response, 401, { error: { code: 'Unauthorized' } })
    }
    read.push(pathname)
    const value = secrets.get(pathname.slice('/secrets/'.length))
    if (value === undefined || !searchParams.has('api-version')) return answerJson(response, 404, {})
    answerJson(response, 200, { value, id: `https://${host}${pathname}/1`, attributes: { enabled: true } })
  })))
  const isToken = (token: string) => token === tokenOfMachine
  const vault: KeyVault = { port, ca: authority.pem, read, secrets, isToken, status: undefined }
  return vault
}

function answering (work: (request: IncomingMessage, response: ServerResponse) => Promise<void>): RequestListener {
  return (request, response) => { work(request, response).catch(error => { response.destroy(error) }) }
}

function answerJson (response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

async function listen (t: Test, server: Server | ReturnType<typeof createPlainServer>): Promise<number> {
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  return (server.address() as AddressInfo).port
}
