/** This file keeps who is signed in to which browser, by Entra's cookies. */
import type { FastifyReply, FastifyRequest } from 'fastify'
import { cookiesOf } from './http/parameters.ts'
import { createHandle, type Authentication, type Browser, type SignedInAccount } from './state.ts'
import type { World } from './world.ts'

const SESSION_COOKIE = 'ESTSAUTH'
const PERSISTENT_COOKIE = 'ESTSAUTHPERSISTENT'
const DAY_MS = 86_400_000
const SESSION_LIFE_MS = DAY_MS
const PERSISTENT_LIFE_MS = 90 * DAY_MS

/** The browser of a request, unless unknown or past its life. */
export function findBrowser (request: FastifyRequest, world: World): Browser | undefined {
  const cookies = cookiesOf(request)
  const id = cookies.get(SESSION_COOKIE) ?? cookies.get(PERSISTENT_COOKIE)
  const browser = id === undefined ? undefined : world.state.browsers.get(id)
  if (browser === undefined) return undefined
  const life = browser.persistent ? PERSISTENT_LIFE_MS : SESSION_LIFE_MS
  return world.clock.now() < browser.createdAt + life ? browser : undefined
}

interface Remember {
  /** "Stay signed in" was answered with yes. */
  readonly persistent: boolean
  readonly reply: FastifyReply
  readonly world: World
}

/** Adds or renews a sign-in. The cookie gets a new value each time somebody signs in. */
export function rememberSignIn (browser: Browser | undefined, authentication: Authentication, options: Remember): Browser {
  const { reply, world } = options
  const others = browser?.accounts.filter(({ sid }) => sid !== authentication.sid) ?? []
  const apps = browser?.accounts.find(({ sid }) => sid === authentication.sid)?.apps ?? []
  if (browser !== undefined) world.state.browsers.delete(browser.id)
  const renewed: Browser = {
    id: createHandle(),
    createdAt: world.clock.now(),
    persistent: options.persistent || (browser?.persistent ?? false),
    accounts: [...others, { ...authentication, apps }]
  }
  world.state.browsers.set(renewed.id, renewed)
  setCookies(reply, renewed, world)
  return renewed
}

/** The cookies go with the last account. */
export function forgetAccount (browser: Browser, account: SignedInAccount, options: Omit<Remember, 'persistent'>): void {
  browser.accounts = browser.accounts.filter((other) => other !== account)
  if (browser.accounts.length > 0) return
  options.world.state.browsers.delete(browser.id)
  const gone = `Path=/; Max-Age=0; HttpOnly; ${crossSite(options.world)}`
  options.reply.header('set-cookie', [`${SESSION_COOKIE}=; ${gone}`, `${PERSISTENT_COOKIE}=; ${gone}`])
}

function setCookies (reply: FastifyReply, browser: Browser, world: World): void {
  const rules = `Path=/; HttpOnly; ${crossSite(world)}`
  const cookies = [`${SESSION_COOKIE}=${browser.id}; ${rules}`]
  if (browser.persistent) cookies.push(`${PERSISTENT_COOKIE}=${browser.id}; Max-Age=${PERSISTENT_LIFE_MS / 1000}; ${rules}`)
  reply.header('set-cookie', cookies)
}

/** `SameSite=None`, as the live service: silent sign-in in a frame needs it. It demands `Secure`, so plain http gets Lax. */
function crossSite (world: World): string {
  return world.origin.startsWith('https:') ? 'Secure; SameSite=None' : 'SameSite=Lax'
}
