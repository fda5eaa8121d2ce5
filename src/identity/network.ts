/**
 * This file makes every call to the identity provider: over one private undici pool, to the provider's origins only, with
 * deadlines, a size cap, few retries and a circuit breaker. MSAL's own module has none of these.
 *
 * No body, query or header is ever logged or put into an error.
 */
import { rootCertificates } from 'node:tls'
import { setTimeout as delay } from 'node:timers/promises'
import type { INetworkModule, NetworkRequestOptions, NetworkResponse } from '@azure/msal-node'
import { Agent, EnvHttpProxyAgent, Pool, type Dispatcher } from 'undici'
import type { Proxy } from '../config/environment.ts'
import { judgeDocument, judgeTokenAnswer, type Answer, type JsonObject, type RawAnswer } from './answer.ts'
import { type Breaker, createBreaker } from './breaker.ts'
import { createSlots, type Slots } from './slots.ts'
import { StsError } from './sts-error.ts'

/** One finished call, for metrics and traces. */
export interface ProviderCall {
  /** The grant type, `document` for metadata and keys, or `json` for calls with a user's token. */
  readonly grant: string
  /** `ok`, `refused` (an OAuth error) or the code of the failure. */
  readonly outcome: string
  readonly seconds: number
  /** Where it went. */
  readonly origin: string
}

export interface NetworkOptions {
  /** The only origins that are ever called. */
  readonly origins: readonly string[]
  /** PEM certificates that are trusted beside Node's own roots, by the proxy's TLS too. */
  readonly ca?: string | undefined
  /** On the way to every origin but those of this machine. */
  readonly proxy?: Proxy | undefined
  /** Epoch milliseconds. */
  readonly now: () => number
  readonly onCall?: ((call: ProviderCall) => void) | undefined
  readonly connectMs?: number
  /** For a whole call, retries and body included. */
  readonly totalMs?: number
  /** How long a call may wait for its turn before that. */
  readonly turnMs?: number
}

export interface ProviderNetwork {
  /** Fetches metadata, keys, or what else is JSON. @throws StsError */
  getDocument (url: string, headers?: Record<string, string>): Promise<JsonObject>
  /** Sends JSON with a user's token and reads JSON. Not sent twice, unless no connection came about. @throws StsError */
  postJson (url: string, request: { readonly bearer: string, readonly body: object }): Promise<JsonObject>
  /** For MSAL: token requests only. All other calls are made by the gateway itself. */
  readonly module: INetworkModule
  /** Aborts what is under way. */
  close (): Promise<void>
}

/** What guards an origin: one that is slow or away takes no other with it. */
interface Origin {
  readonly breaker: Breaker
  readonly slots: Slots
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
/** To one origin at once. */
const maxCalls = 32
const busyMs = 1_000
const keepAliveMs = 30_000
const retryPauseMs = 100
/** Errors of a connection that never came about, so that not one byte of a request was sent. */
const connectErrors = new Set([
  'ECONNREFUSED', 'ENOTFOUND', 'EAI_AGAIN', 'EHOSTUNREACH', 'ENETUNREACH', 'UND_ERR_CONNECT_TIMEOUT'
])
const timeoutErrors = new Set(['UND_ERR_CONNECT_TIMEOUT', 'UND_ERR_HEADERS_TIMEOUT', 'UND_ERR_BODY_TIMEOUT', 'ETIMEDOUT'])

export function createProviderNetwork (options: NetworkOptions): ProviderNetwork {
  // Both together end before the lease of an account's lock (token-cache.ts).
  const { origins, now, onCall, totalMs = 8_000, turnMs = 2_000 } = options
  const agent = createAgent(options)
  const guarded = new Map<string, Origin>(origins.map(origin => [origin, {
    breaker: createBreaker({ failures: 5, pauseMs: 5_000, now }),
    slots: createSlots({ count: maxCalls, maxWaitMs: turnMs })
  }]))
  const underWay = new Set<AbortController>()

  async function send (url: URL, request: Request, signal: AbortSignal): Promise<Answer> {
    const { method, headers, body = null } = request
    const answer = await agent.request({ origin: url.origin, path: url.pathname + url.search, method, headers, body, signal })
    const raw = { status: answer.statusCode, headers: answer.headers, text: await readCapped(answer.body) }
    return request.judge(raw, now())
  }

  /** One call when it is its turn. */
  async function call (url: string, request: Request): Promise<Answer> {
    const target = new URL(url)
    const origin = guarded.get(target.origin)
    // Neither a token nor a code goes to another origin.
    if (origin === undefined) throw new StsError('sts_foreign_address')
    const slot = origin.slots.take()
    const giveBack = slot instanceof Promise ? await slot : slot
    if (giveBack === undefined) throw new StsError('sts_unavailable', { retryAfterMs: busyMs })
    try {
      return await callNow(target, request, origin.breaker)
    } finally {
      giveBack()
    }
  }

  /** One call with its retries and its deadline, seen by the breaker and by `onCall`. */
  async function callNow (target: URL, request: Request, breaker: Breaker): Promise<Answer> {
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
      onCall?.({ grant: request.grant, outcome, seconds: (performance.now() - startedAt) / 1000, origin: target.origin })
    }
  }

  return {
    getDocument: async (url, headers) => (await call(url, documentRequest(headers))).body,
    postJson: async (url, request) => (await call(url, jsonRequest(request))).body,
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

function createAgent ({ ca, proxy, connectMs = 3_000 }: NetworkOptions): Dispatcher {
  // Certificates given to TLS replace Node's own, so those are given again.
  const connect = { ...(ca === undefined ? {} : { ca: [...rootCertificates, ca] }), timeout: connectMs }
  const pool = { connections: maxCalls, pipelining: 1, keepAliveTimeout: keepAliveMs, keepAliveMaxTimeout: keepAliveMs, connect }
  if (proxy === undefined) return new Agent(pool)
  return new EnvHttpProxyAgent({
    ...pool,
    requestTls: connect,
    proxyTls: connect,
    // A tunnel is part of connecting. Otherwise the proxy has 300 s for it, which no deadline of a call cuts short.
    clientFactory: (origin, given) => new Pool(origin, { ...given, headersTimeout: connectMs }),
    // Empty and not left out: it would be looked for in the environment.
    httpProxy: '',
    httpsProxy: proxy.url,
    noProxy: `${proxy.except},${ownMachine}`
  })
}

/** Whoever listens here is not to be found from the proxy. */
const ownMachine = 'localhost,127.0.0.1,[::1]'

function documentRequest (headers: Record<string, string> = {}): Request {
  return {
    grant: 'document',
    method: 'GET',
    headers: { accept: 'application/json', ...headers },
    judge: judgeDocument,
    retries: 2,
    isWorthRetrying: error => !(error instanceof StsError) || error.errorCode === 'sts_unavailable'
  }
}

function jsonRequest ({ bearer, body }: { readonly bearer: string, readonly body: object }): Request {
  return {
    grant: 'json',
    method: 'POST',
    headers: { accept: 'application/json', 'content-type': 'application/json', authorization: bearer },
    body: JSON.stringify(body),
    judge: judgeDocument,
    retries: 1,
    isWorthRetrying: error => connectErrors.has(codeOf(error))
  }
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
