/** This file makes authorize requests by hand. */
import type { Answer, Browser } from './browser.ts'
import { CALLBACK, CONTOSO, GATEWAY } from './msal.ts'

export const ORDERS_READ = 'openid profile offline_access api://orders/Orders.Read'

/** The gateway's request with changes; undefined removes a parameter. */
export function authorizeUrl (changes: Record<string, string | undefined> = {}, tenant = CONTOSO): string {
  const parameters = {
    client_id: GATEWAY,
    response_type: 'code',
    redirect_uri: CALLBACK,
    scope: ORDERS_READ,
    state: 'the state & more',
    ...changes
  }
  const present = Object.entries(parameters).filter((entry): entry is [string, string] => entry[1] !== undefined)
  return `/${tenant}/oauth2/v2.0/authorize?${new URLSearchParams(present).toString()}`
}

/** Parameters the app was sent, by query or fragment. */
export function replyOf ({ location }: Answer): Record<string, string> {
  if (location === '') return {}
  const { searchParams, hash } = new URL(location)
  return Object.fromEntries(hash === '' ? searchParams : new URLSearchParams(hash.slice(1)))
}

/** `data-testid`s of a page, in their order, each once. */
export function testIdsOf ({ body }: Answer): string[] {
  return [...new Set([...body.matchAll(/data-testid="([^"]*)"/g)].map(([, id]) => id!))]
}

/** The AADSTS code a page shows. */
export function pageCode ({ body }: Answer): number {
  return Number(/data-aadsts="(\d+)"/.exec(body)?.[1])
}

/** Answers a silent or automatic sign-in of Alice and returns what the app was sent. */
export async function autologin (browser: Browser, changes: Record<string, string | undefined> = {}) {
  return replyOf(await browser.get(authorizeUrl({ autologin: 'alice@contoso.example', autoconsent: '1', ...changes })))
}
