/**
 * This file is an API that asks for claims: by the path of a request it challenges a token once, always, or with something
 * else each time.
 */
import type { IncomingMessage, ServerResponse } from 'node:http'
import { decodeJwt } from 'jose'
import type { Test } from 'tap'
import { startUpstream, type TestUpstream } from './upstream.ts'

/** The claims request for an authentication context. No policy of the emulator's directory is bound to `c2`. */
export function contextClaims (context: string): string {
  return JSON.stringify({ access_token: { acrs: { essential: true, value: context } } })
}

/** The claims request for a token that was issued after something happened: no matter of how the user signed in. */
export const newerClaims = '{"access_token":{"nbf":{"essential":true,"value":"1900000000"}}}'

/** A challenge as APIs of Entra ID write it. */
export function challengeFor (claims: string): string {
  return `Bearer realm="", authorization_uri="https://login.example/authorize", error="insufficient_claims", claims="${Buffer.from(claims).toString('base64')}"`
}

/** The authentication contexts of the token that a request carries. */
export function contextsOf (request: Pick<IncomingMessage, 'headers'>): string[] {
  const { acrs } = decodeJwt(String(request.headers.authorization).replace('Bearer ', ''))
  return [acrs ?? []].flat().map(String)
}

let counter = 0

/**
 * First segment of the path: `c2` wants that context, `never` wants it again and again, `changing` wants something else each
 * time, `token` is content, and anything else is answered 401 without a claims challenge.
 * The challenge is a 401, or a 403 when that is the second segment.
 */
export async function startChallenger (t: Test): Promise<TestUpstream> {
  return await startUpstream(t, {
    answer: (request, response, seen) => {
      const [, kind = '', status = ''] = seen.url.split(/[/?]/)
      const isContent = kind === 'token' || (kind === 'c2' && contextsOf(request).includes('c2'))
      if (isContent) response.setHeader('content-type', 'application/json').end(JSON.stringify(seen))
      else refuse(response, status === '403' ? 403 : 401, kind)
    }
  })
}

function refuse (response: ServerResponse, status: number, kind: string): void {
  const claims = kind === 'changing' ? `{"access_token":{"nbf":{"essential":true,"value":"${++counter}"}}}` : contextClaims('c2')
  const isChallenge = ['c2', 'never', 'changing'].includes(kind)
  response.writeHead(status, { 'content-type': 'text/plain', 'www-authenticate': isChallenge ? challengeFor(claims) : 'Bearer error="invalid_token"' })
  response.end(`refused ${kind}`)
}
