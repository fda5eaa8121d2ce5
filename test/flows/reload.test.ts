/**
 * This file changes the config of programs that serve: what is good takes over and loses nobody, what is bad changes nothing.
 */
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import t from 'tap'
import { type Browser, createBrowser } from '../support/browser.ts'
import { freePort } from '../support/ports.ts'
import { folder } from '../support/process.ts'
import { startRedis, until } from '../support/redis.ts'
import { mount, type Program, signedIn, startProgram, world } from '../support/reloading.ts'

async function answers (browser: Browser, url: string, status: number): Promise<void> {
  await until(`${status} for ${url}`, async () => (await browser.fetch(url)).status === status, 60_000)
}

t.test('C9.10 after SIGHUP the new routes hold, and whoever was signed in still is', async t => {
  const parts = await world(t)
  const program = await startProgram(t, parts)
  const browser = await signedIn(t, program, parts)
  t.equal((await browser.fetch(`${program.url}/x`)).status, 200)
  program.write({ ...parts, routes: [{ path: '/only/*', upstream: 'app' }] })
  program.child.kill('SIGHUP')
  await program.heard('config-reloaded', 1)
  t.equal((await browser.fetch(`${program.url}/x`)).status, 404)
  t.equal((await browser.fetch(`${program.url}/only/x`)).status, 200)
})

t.test('C9.10 a config with problems changes nothing and is told with its place; a good one needs no signal', async t => {
  const parts = await world(t)
  const program = await startProgram(t, parts)
  const browser = await signedIn(t, program, parts)
  program.write({ ...parts, routes: [{ path: '/*', upstream: 'none' }] })
  await program.heard('config-refused', 1)
  t.match(program.out(), /"problems":\["[^"]*gateway\.yaml:1:\d+/)
  t.match(program.out(), 'none')
  t.equal((await browser.fetch(`${program.url}/x`)).status, 200)
  await delay(2500)
  t.notMatch(program.out(), /"config-refused".*"config-refused"/s, 'and told once')
  program.write({ ...parts, routes: [{ path: '/good/*', upstream: 'app' }] })
  await program.heard('config-reloaded', 1)
  t.equal((await browser.fetch(`${program.url}/good/x`)).status, 200)
  t.notMatch(program.out(), 'gw-secret')
})

t.test('a config under which the provider is not reached does not take over', async t => {
  const parts = await world(t)
  const program = await startProgram(t, parts)
  const browser = await signedIn(t, program, parts)
  program.write({ ...parts, entra: { instance: 'https://localhost:1/' } })
  await program.heard('config-refused', 1)
  t.equal((await browser.fetch(`${program.url}/x`)).status, 200)
  t.equal((await browser.visit(`${program.url}/.auth/login`)).location().startsWith(parts.emulator.origin), true)
})

t.test('what only a restart changes is named', async t => {
  const parts = await world(t)
  const program = await startProgram(t, parts)
  await signedIn(t, program, parts)
  program.write({ ...parts, server: { limits: { maxConnections: 7 } } })
  program.child.kill('SIGHUP')
  await program.heard('restart-needed', 1)
  t.match(program.out(), '"settings":["server.limits"]')
})

t.test('C9.10 no request fails while the config is loaded again and again', async t => {
  const parts = await world(t)
  const program = await startProgram(t, parts)
  const browser = await signedIn(t, program, parts)
  const load = { isOver: false, done: 0, failed: [] as string[] }
  async function ask (): Promise<void> {
    while (!load.isOver) {
      const { status, body } = await browser.fetch(`${program.url}/x`)
      if (status === 200) load.done++
      else load.failed.push(`${status} ${body}`)
    }
  }
  const clients = Promise.all(Array.from({ length: 8 }, ask))
  for (let count = 1; count <= 30; count++) {
    program.child.kill('SIGHUP')
    await program.heard('config-reloaded', count)
  }
  load.isOver = true
  await clients
  t.same(load.failed, [])
  t.ok(load.done > 100, `${load.done} requests`)
})

const key = (id: string): object => ({ id, key: randomBytes(32).toString('base64') })

t.test('C11.8 a rotation of the key ring under two replicas loses no session, whichever is first to have the new keys', async t => {
  const redis = await startRedis(t)
  const base = await world(t)
  const publicUrl = `http://localhost:${await freePort()}`
  const volumes = [folder(t), folder(t)]
  const [k1, k2] = [key('k1'), key('k2')]
  for (const volume of volumes) mount(volume, { 'keys.yaml': [k1] })
  const [one, two] = await Promise.all(volumes.map(async volume => await startProgram(t, {
    ...base,
    server: { publicUrl },
    entra: { initialScopes: ['api://orders/Orders.Read'] },
    store: { type: 'redis', redis: { url: `redis://127.0.0.1:${redis.port}` } },
    keys: { file: join(volume, '..data/keys.yaml') }
  }))) as [Program, Program]
  const [volumeOne, volumeTwo] = volumes as [string, string]
  const reloads = { one: 0, two: 0 }
  async function rotate (which: 'one' | 'two', ring: readonly object[]): Promise<void> {
    mount(which === 'one' ? volumeOne : volumeTwo, { 'keys.yaml': ring })
    await (which === 'one' ? one : two).heard('config-reloaded', ++reloads[which])
  }
  const begin = async (at: Program): Promise<Browser> => {
    const anybody = createBrowser(t)
    await until('a gateway that is ready', async () => (await anybody.visit(`${at.url}/.auth/login`)).status === 302)
    const browser = createBrowser(t, { ca: base.emulator.caPem, user: 'alice@contoso.example' })
    const begun = await browser.visit(`${at.url}/.auth/login?post_login_redirect_uri=%2Fx`)
    const answered = await browser.visit(`${begun.location()}&autologin=alice@contoso.example&autoconsent=1`)
    t.equal((await browser.visit(answered.location().replace(publicUrl, at.url))).status, 303)
    return browser
  }
  const isKnown = async (browser: Browser, what: string): Promise<void> => {
    for (const at of [one, two]) t.equal((await browser.fetch(`${at.url}/x`)).status, 200, `${what}, at ${at === one ? 'one' : 'two'}`)
  }

  const old = await begin(one)
  await isKnown(old, 'before')
  await rotate('two', [k1, k2])
  await isKnown(old, 'one replica opens with the new key')
  await rotate('one', [k1, k2])
  await rotate('one', [k2, k1])
  await isKnown(old, 'one replica seals with the new key')
  const fresh = await begin(one)
  await isKnown(fresh, 'begun under the new key')
  const late = await begin(two)
  await isKnown(late, 'begun under the old key, meanwhile')
  await rotate('two', [k2, k1])
  for (const browser of [old, fresh, late]) await isKnown(browser, 'both replicas seal with the new key')
  await rotate('one', [k2])
  await rotate('two', [k2])
  await isKnown(fresh, 'the old key is gone')
  for (const at of [one, two]) {
    await answers(old, `${at.url}/x`, 401)
    await answers(late, `${at.url}/x`, 401)
  }
})
