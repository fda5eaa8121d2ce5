/**
 * This file makes every call to the identity provider: over one private undici pool, to one origin, with deadlines, a
 * size cap, few retries and a circuit breaker. MSAL's own module has none of these.
 *
 * No body, query or header is ever logged or put into an error.
 */
import { rootCertificates } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import { Agent } from 'undici'
import { judgeDocument, judgeTokenAnswer, type Answer, type JsonObject, type RawAnswer } from './answer.ts'
import { createBreaker } from './breaker.ts'
import { StsError } from './sts-error.ts'

/** One finished call, for metrics. */
export interface ProviderCall {
  /** The grant type, or `document` for metadata and keys. */
  readonly grant: string
  /** `ok`, `refused` (an OAuth error) or the code of the failure. */
  readonly outcome: string
  readonly seconds: number
}

export interface NetworkOptions {
  /** The only origin that is ever called. */
  readonly origin: string
  /** PEM certificates that are trusted beside Node's own roots. */
  readonly ca?: string | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly onCall?: ((call: ProviderCall) => void) | undefined
  readonly connectMs?: number
  /** For a whole call, retries and body included. */
  readonly totalMs?: number
}

export interface ProviderNetwork {
  /** Fetches metadata or keys. @throws StsError */
  getDocument (url: string): Promise<JsonObject>
  /** For MSAL: token requests only. All other calls are made by the gateway itself. */
  readonly module: INetworkModule
  /** Aborts what is under way. */
  close (): Promise<void>
}

interface Request {
  readonly grant: string
  readonly method: 'GET' | 'POST'
  readonly headers: Record<string, string>
  readonly body?: string
  readonly judge: (raw: RawAnswer, now: number) => Answer
  readonly retries: number
  readonly isWorthRetrying: (error: unknown) => boolean
}

/** For MSAL when it may only answer from its cache. */
export const cacheOnly: INetworkModule = {
  async sendGetRequestAsync () { throw new StsError('need_network') },
  async sendPostRequestAsync () { throw new StsError('need_network') }
}

const maxBodyBytes = 1024 * 1024
const keepAliveMs = 30_000
const retryPauseMs = 100
/** Errors of a connection that never came about, so that not one byte of a request was sent. */
const connectErrors = new Set([
  'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'
])
const timeoutErrors = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

export function createProviderNetwork (options: NetworkOptions): ProviderNetwork {
  const { origin, now, onCall, totalMs = 8_000 } = options
  const agent = createAgent(options)
  const breaker = createBreaker({ failures: 5, pauseMs: 10_000, now })
  const underWay = new Set<AbortController>()

  async function send (url: URL, request: Request, signal: AbortSignal): Promise<Answer> {
    const { method, headers, body = null } = request
    const answer = await agent.request({ origin, path: url.pathname + url.search, method, headers, body, signal })
    const raw = { status: answer.statusCode, headers: answer.headers, text: await readCapped(answer.body) }
    return request.judge(raw, now())
  }

  /** One call with its retries and its deadline, seen by the breaker and by `onCall`. */
  async function call (url: string, request: Request): Promise<Answer> {
    const target = addressOf(url, origin)
    const retryAfterMs = breaker.wait()
    if (retryAfterMs > 0) throw new StsError('sts_unavailable', { retryAfterMs })
    const controller = new AbortController()
    const timer = setTimeout(() => controller.abort(new StsError('sts_timeout')), totalMs)
    underWay.add(controller)
    const startedAt = performance.now()
    let outcome = 'ok'
    try {
      const answer = await retrying(request, controller.signal, () => send(target, request, controller.signal))
      breaker.succeeded()
      if (answer.status >= 400) outcome = 'refused'
      return answer
    } catch (error) {
      const failure = stsErrorOf(error)
      outcome = failure.errorCode
      if (isAnswered(failure)) breaker.succeeded()
      else breaker.failed()
      throw failure
    } finally {
      clearTimeout(timer)
      underWay.delete(controller)
      onCall?.({ grant: request.grant, outcome, seconds: (performance.now() - startedAt) / 1000 })
    }
  }

  return {
    getDocument: async url => (await call(url, documentRequest)).body,
    module: {
      sendGetRequestAsync: cacheOnly.sendGetRequestAsync,
      async sendPostRequestAsync<T> (url: string, sent?: NetworkRequestOptions): Promise<NetworkResponse<T>> {
        const { status, headers, body } = await call(url, tokenRequest(sent))
        return { status, headers: { ...headers }, body: body as T }
      }
    },
    async close () {
      for (const controller of underWay) controller.abort(new StsError('sts_timeout'))
      await agent.destroy()
    }
  }
}

function createAgent ({ ca, connectMs = 3_000 }: NetworkOptions): Agent {
  // Certificates given to TLS replace Node's own, so those are given again.
  const trust = ca === undefined ? {} : { ca: [...rootCertificates, ca] }
  return new Agent({
    connections: 32,
    pipelining: 1,
    keepAliveTimeout: keepAliveMs,
    keepAliveMaxTimeout: keepAliveMs,
    connect: { ...trust, timeout: connectMs }
  })
}

const documentRequest: Request = {
  grant: 'document',
  method: 'GET',
  headers: { accept: 'application/json' },
  judge: judgeDocument,
  retries: 2,
  isWorthRetrying: error => !(error instanceof StsError) || error.errorCode === 'sts_unavailable'
}

function tokenRequest (sent: NetworkRequestOptions = {}): Request {
  const grant = new URLSearchParams(sent.body).get('grant_type') ?? 'unknown'
  return {
    grant,
    method: 'POST',
    headers: { ...sent.headers },
    body: sent.body ?? '',
    judge: judgeTokenAnswer,
    // A code is spent by its first use: it is not sent twice, not even when the connection seems not to have come about.
    retries: grant === 'authorization_code' ? 0 : 1,
    isWorthRetrying: error => connectErrors.has(codeOf(error))
  }
}

/** @throws StsError sts_foreign_address: neither a token nor a code goes to another origin */
function addressOf (url: string, origin: string): URL {
  const target = new URL(url)
  if (target.origin !== origin) throw new StsError('sts_foreign_address')
  return target
}

async function retrying (request: Request, signal: AbortSignal, attempt: () => Promise<Answer>): Promise<Answer> {
  for (let left = request.retries; ; left--) {
    try {
      return await attempt()
    } catch (error) {
      if (left === 0 || signal.aborted || !request.isWorthRetrying(error)) throw error
      await delay(retryPauseMs, undefined, { signal }).catch(() => { throw signal.reason })
    }
  }
}

async function readCapped (body: AsyncIterable<Buffer>): Promise<string> {
  const chunks: Buffer[] = []
  let bytes = 0
  for await (const chunk of body) {
    bytes += chunk.length
    if (bytes > maxBodyBytes) throw new StsError('sts_bad_response')
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

function codeOf (error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

/** Whether the host is alive, whatever it said. */
function isAnswered (failure: StsError): boolean {
  return failure.errorCode === 'sts_bad_response' || failure.errorCode === 'sts_throttled'
}

function stsErrorOf (error: unknown): StsError {
  if (error instanceof StsError) return error
  return new StsError(timeoutErrors.has(codeOf(error)) ? 'sts_timeout' : 'sts_network', { cause: error })
}
