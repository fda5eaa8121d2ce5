/**
 * This file signs a user in and hands over the cookie, for tests that write their requests themselves.
 */
import type { Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import { type Browser, createBrowser } from './browser.ts'

export interface SignedIn {
  readonly browser: Browser
  /** The session's Cookie field value. */
  readonly cookie: string
}

/** Signs in at a page that lies outside of what the test looks at. */
export async function signIn (
  t: Test, { url, entra, user = 'alice@contoso.example', at = '/' }: { url: string, entra: Emulator, user?: string, at?: string }
): Promise<SignedIn> {
  const browser = createBrowser(t, { ca: entra.caPem, user })
  await browser.go(`${url}/.auth/login?${new URLSearchParams({ post_login_redirect_uri: at })}`)
  const value = browser.cookies(url).get('scopegate')
  if (value === undefined) throw new Error(`${user} could not be signed in`)
  return { browser, cookie: `scopegate=${value}` }
}

/** Waits until something holds; false when it does not hold in time. */
export async function eventually (holds: () => boolean, withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs
  while (!holds()) {
    if (Date.now() > until) return false
    await new Promise(resolve => { setTimeout(resolve, 5) })
  }
  return true
}

/**
 * Goes through a sign-in up to the provider's redirect back, and stops before it.
 * @returns the callback's address, with code and state
 */
export async function reachCallback (
  browser: Browser, url: string, { user = 'alice@contoso.example', at = '/' }: { user?: string, at?: string } = {}
): Promise<URL> {
  const login = await browser.visit(`${url}/.auth/login?${new URLSearchParams({ post_login_redirect_uri: at })}`)
  const answer = await browser.visit(`${login.location()}&${new URLSearchParams({ autologin: user, autoconsent: '1' })}`)
  return new URL(answer.location())
}
