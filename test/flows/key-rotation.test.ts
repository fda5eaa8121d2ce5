/** This file walks through a rotation of the key ring, with a Redis that outlives the gateways: nobody is signed out too soon. */
import { randomBytes } from 'node:crypto'
import t from 'tap'
import { createBrowser, type Browser } from '../support/browser.ts'
import { startEntra, startGateway, type TestGateway } from '../support/gateway.ts'
import { freePort } from '../support/ports.ts'
import { startRedis } from '../support/redis.ts'
import { startUpstream } from '../support/upstream.ts'

const [k1, k2] = ['k1', 'k2'].map(id => ({ id, key: randomBytes(32).toString('base64') }))

t.test('C11.8 a session goes through all steps of a rotation, at pages and endpoints, and ends with its key', async t => {
  const redis = await startRedis(t)
  const entra = await startEntra(t)
  const app = await startUpstream(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const restart = async (keys: readonly unknown[]): Promise<TestGateway> => await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: app.origin, scopes: ['api://orders/Orders.Read'] } },
    routes: [{ path: '/*', upstream: 'app' }],
    server: { publicUrl },
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys
  })
  async function signIn (gateway: TestGateway, user: string): Promise<Browser> {
    const browser = createBrowser(t, { ca: entra.caPem, user })
    const begun = await browser.visit(`${gateway.url}/.auth/login`)
    const answered = await browser.visit(`${begun.location()}&autologin=${user}&autoconsent=1`)
    const { pathname, search } = new URL(answered.location())
    await browser.visit(`${gateway.url}${pathname}${search}`)
    return browser
  }
  const cookieOf = (browser: Browser): string | undefined => browser.cookies(publicUrl).get('scopegate')
  const signerOf = (browser: Browser): string | undefined => cookieOf(browser)?.split('.')[0]
  const seenAt = async (browser: Browser, gateway: TestGateway): Promise<number[]> => [
    (await browser.visit(`${gateway.url}/x`)).status, (await browser.fetch(`${gateway.url}/.auth/me`)).status
  ]

  const before = await restart([k1])
  const [alice, bob] = [await signIn(before, 'alice@contoso.example'), await signIn(before, 'bob@contoso.example')]
  const cookie = cookieOf(alice)
  t.equal(signerOf(alice), 'k1')
  const received = alice.received.length

  for (const ring of [[k1, k2], [k2, k1]]) {
    const gateway = await restart(ring)
    for (const browser of [alice, bob]) t.same(await seenAt(browser, gateway), [200, 200], ring.map(key => key?.id).join())
    t.match(app.seen.at(-1)?.headers.authorization, /^Bearer eyJ/)
  }
  t.equal(cookieOf(alice), cookie, 'the same cookie all along')
  t.equal(alice.received.length, received, 'none was set or cleared')

  const rotated = await restart([k2, k1])
  const carol = await signIn(rotated, 'groups-0@contoso.example')
  t.equal(signerOf(carol), 'k2', 'new sessions are signed with the new key')
  t.equal((await bob.visit(`${rotated.url}/.auth/logout`)).status, 303)
  t.equal(cookieOf(bob), undefined, 'a session under the old key can sign out')

  const after = await restart([k2])
  t.same(await seenAt(carol, after), [200, 200])
  t.same(await seenAt(alice, after), [302, 401], 'without its key a cookie is nobody\'s')
  bob.setCookie(publicUrl, 'scopegate', cookie!)
  t.same(await seenAt(bob, after), [302, 401])
  t.equal((await alice.visit(`${after.url}/.auth/login`)).status, 302, 'a cookie of nobody\'s is in nobody\'s way')
})
