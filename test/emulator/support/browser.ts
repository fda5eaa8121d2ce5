/** This file is a browser for the emulator's pages: cookies, one redirect at a time, forms found by test id. */
import { Agent, fetch, type Response } from 'undici'
import type { Emulator } from '../../../emulator/start.ts'

export interface Answer {
  readonly status: number
  readonly headers: Response['headers']
  readonly body: string
  /** Where a redirect points; empty when it is none. */
  readonly location: string
}

export interface Browser {
  readonly cookies: Map<string, string>
  get (url: string, headers?: Record<string, string>): Promise<Answer>
  post (url: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answer>
  /** A form body as text, for what a form could not send. */
  postText (url: string, body: string, headers?: Record<string, string>): Promise<Answer>
  /** Submits the form around the element with this test id, as a click would; `typed` fills fields in. */
  click (page: Answer, testId: string, typed?: Record<string, string>): Promise<Answer>
  close (): Promise<void>
}

export function createBrowser (emulator: Pick<Emulator, 'origin' | 'caPem'>): Browser {
  const dispatcher = new Agent({ connect: { ca: emulator.caPem } })
  const cookies = new Map<string, string>()

  async function send (url: string, init: { method: string, body?: string, headers?: Record<string, string> }): Promise<Answer> {
    const cookie = [...cookies].map(([name, value]) => `${name}=${value}`).join('; ')
    const response = await fetch(new URL(url, emulator.origin), { ...init, headers: { cookie, ...init.headers }, redirect: 'manual', dispatcher })
    for (const line of response.headers.getSetCookie()) keep(line)
    return { status: response.status, headers: response.headers, body: await response.text(), location: response.headers.get('location') ?? '' }
  }

  function keep (line: string): void {
    const [pair = '', ...rules] = line.split(';')
    const at = pair.indexOf('=')
    const isGone = rules.some((rule) => rule.trim().toLowerCase() === 'max-age=0')
    if (isGone) cookies.delete(pair.slice(0, at))
    else cookies.set(pair.slice(0, at), pair.slice(at + 1))
  }

  const postText = (url: string, body: string, headers: Record<string, string> = {}) =>
    send(url, { method: 'POST', body, headers: { 'content-type': 'application/x-www-form-urlencoded', ...headers } })
  const post = (url: string, form: Record<string, string>, headers: Record<string, string> = {}) =>
    postText(url, new URLSearchParams(form).toString(), headers)

  return {
    cookies,
    get: (url, headers = {}) => send(url, { method: 'GET', headers }),
    post,
    postText,
    click: (page, testId, typed = {}) => {
      const { action, fields } = formAround(page.body, testId)
      return post(action, { ...fields, ...typed })
    },
    close: () => dispatcher.close()
  }
}

/** The tile of one user has the UPN on it: `account-tile@alice@contoso.example` picks it. */
function formAround (body: string, testId: string): { action: string, fields: Record<string, string> } {
  const [id, upn] = testId.split(/@(.*)/s)
  const forms = body.match(/<form[\s\S]*?<\/form>/g) ?? []
  const form = forms.find((text) => text.includes(`data-testid="${id}"`) && (upn === undefined || text.includes(`data-upn="${upn}"`)))
  if (form === undefined) throw new Error(`no form around ${testId} in:\n${body}`)
  const action = /action="([^"]*)"/.exec(form)![1]!
  const inputs = [...form.matchAll(/<input type="hidden" name="([^"]*)" value="([^"]*)"/g)]
  return { action, fields: Object.fromEntries(inputs.map(([, name, value]) => [name, unescape(value!)])) }
}

function unescape (text: string): string {
  return text.replaceAll('&lt;', '<').replaceAll('&gt;', '>').replaceAll('&quot;', '"').replaceAll('&#39;', "'").replaceAll('&amp;', '&')
}
