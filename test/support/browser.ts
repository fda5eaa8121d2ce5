/**
 * This file is a browser as far as the protocol sees one: cookies by host, redirects, and the header fields that tell a
 * navigation from a script.
 */
import { Agent, EnvHttpProxyAgent, request, type Dispatcher } from 'undici'
import type { Test } from 'tap'

export interface Reply {
  readonly status: number
  readonly url: string
  readonly headers: Record<string, string | string[] | undefined>
  readonly body: string
  json (): any
  location (): string
}

export interface VisitOptions {
  readonly method?: string
  readonly headers?: Record<string, string>
  readonly body?: string | Buffer
}

export interface Browser {
  /** One request as a navigation: redirects are not followed. */
  visit (url: string, options?: VisitOptions): Promise<Reply>
  /** A navigation with its redirects. */
  go (url: string, options?: VisitOptions): Promise<Reply>
  /** One request as a script of a page of ours makes it. */
  fetch (url: string, options?: VisitOptions): Promise<Reply>
  cookies (url: string): Map<string, string>
  setCookie (url: string, name: string, value: string): void
  /** Every Set-Cookie line that was received. */
  readonly received: readonly string[]
}

const navigation = {
  accept: 'text/html,application/xhtml+xml',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
  'sec-fetch-site': 'none'
}
const script = { accept: '*/*', 'sec-fetch-mode': 'cors', 'sec-fetch-dest': 'empty', 'sec-fetch-site': 'same-origin' }

export interface BrowserOptions {
  readonly ca?: string
  /** Signs in at the emulator as this user and consents, without its pages. */
  readonly user?: string
  /** The URL of a proxy for everything but localhost. */
  readonly proxy?: string
}

export function createBrowser (t: Test, { ca, user, proxy }: BrowserOptions = {}): Browser {
  const pool = { connect: { ca }, connections: 256 }
  const agent = proxy === undefined
    ? new Agent(pool)
    : new EnvHttpProxyAgent({ ...pool, requestTls: { ca }, httpProxy: '', httpsProxy: proxy, noProxy: 'localhost' })
  t.teardown(async () => { await agent.destroy() })
  const jar = new Map<string, Map<string, string>>()
  const received: string[] = []

  function cookies (url: string): Map<string, string> {
    // Like a real browser's, the jar ignores ports; 127.0.0.1 and localhost are two hosts.
    const { hostname } = new URL(url)
    const found = jar.get(hostname) ?? new Map<string, string>()
    jar.set(hostname, found)
    return found
  }

  function keep (url: string, header: string | string[] | undefined): void {
    for (const line of [header ?? []].flat()) {
      received.push(line)
      const [pair = ''] = line.split(';', 1)
      const name = pair.slice(0, pair.indexOf('='))
      const isDeleted = /;\s*(?:max-age=0|expires=thu, 01 jan 1970)/i.test(line)
      if (isDeleted) cookies(url).delete(name)
      else cookies(url).set(name, pair.slice(name.length + 1))
    }
  }

  async function send (url: string, { method = 'GET', headers = {}, body }: VisitOptions, kind: Record<string, string>): Promise<Reply> {
    const jarred = [...cookies(url)].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await request(url, {
      dispatcher: agent,
      method: method as Dispatcher.HttpMethod,
      headers: { ...kind, ...(jarred === '' ? {} : { cookie: jarred }), ...headers },
      body: body ?? null
    })
    keep(url, response.headers['set-cookie'])
    const text = await response.body.text()
    return {
      status: response.statusCode,
      url,
      headers: response.headers,
      body: text,
      json: () => JSON.parse(text),
      location: () => new URL(String(response.headers.location), url).href
    }
  }

  async function go (url: string, options: VisitOptions = {}): Promise<Reply> {
    let reply = await send(url, options, navigation)
    for (let hops = 0; reply.status >= 300 && reply.status < 400 && reply.headers.location !== undefined; hops++) {
      if (hops > 20) throw new Error(`redirected too often, last to ${reply.location()}`)
      reply = await send(asUser(reply.location()), { headers: { 'sec-fetch-site': 'cross-site' } }, navigation)
    }
    return reply
  }

  /** Adds who signs in to a request for the emulator's sign-in. */
  function asUser (url: string): string {
    if (user === undefined || !url.includes('/oauth2/v2.0/authorize')) return url
    return `${url}&${new URLSearchParams({ autologin: user, autoconsent: '1' })}`
  }

  return {
    visit: async (url, options = {}) => await send(url, options, navigation),
    fetch: async (url, options = {}) => await send(url, options, script),
    go,
    cookies,
    setCookie: (url, name, value) => { cookies(url).set(name, value) },
    received
  }
}
