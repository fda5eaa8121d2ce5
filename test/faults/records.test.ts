/**
 * This file writes to the Redis of two gateways as an attacker or an accident would: records damaged, moved, brought back, or
 * of another version (security.md, S7 and S8). Nobody becomes somebody, and nothing is an error.
 */
import t, { type Test } from 'tap'
import type { Browser } from '../support/browser.ts'
import { startRedis } from '../support/redis.ts'
import { startFaultWorld } from './support.ts'

const server = await startRedis(t)
const { replicas: [one, two], at, signIn } = await startFaultWorld(t, { redis: { url: `redis://127.0.0.1:${server.port}` } })

interface Record { readonly key: string, readonly text: string }

async function recordsOf (family: string): Promise<Record[]> {
  const keys = (await server.cli('--scan', '--pattern', `scopegate:${family}:*`)).split('\n').filter(key => key !== '')
  return await Promise.all(keys.map(async key => ({ key, text: await server.cli('get', key) })))
}

/** Signs in; the record that this made is the session's. */
async function session (): Promise<{ browser: Browser, record: Record }> {
  const before = new Set((await recordsOf('s')).map(({ key }) => key))
  const browser = await signIn()
  return { browser, record: (await recordsOf('s')).find(({ key }) => !before.has(key))! }
}

const write = async (key: string, text: string): Promise<unknown> => await server.cli('set', key, text, 'KEEPTTL')
const flip = (text: string): string => `${text.slice(0, -9)}${text.at(-9) === 'A' ? 'B' : 'A'}${text.slice(-8)}`

/** At the replica that has not seen the session yet. */
async function isNobody (t: Test, browser: Browser): Promise<void> {
  t.equal((await browser.fetch(at(two, '/x'))).status, 401)
  const navigation = await browser.visit(at(two, '/x'))
  t.equal(navigation.status, 302)
  t.equal(navigation.headers['set-cookie'], undefined)
}

for (const [what, change] of Object.entries<(text: string) => string>({
  'with one character changed': flip, 'that was cut off': text => text.slice(0, 60), 'that is rubbish': () => 'rubbish', 'that is empty': () => ''
})) {
  t.test(`a session record ${what} is nobody's, and deleted`, async t => {
    const { browser, record } = await session()
    await write(record.key, change(record.text))
    await isNobody(t, browser)
    t.equal(await server.cli('exists', record.key), '0')
    t.match(two.logged(), '"event":"record-broken"')
  })
}

for (const [what, change] of Object.entries<(text: string) => string>({
  'of a later version': text => `2${text.slice(1)}`, 'under a key that this replica does not have yet': text => text.replace('1.k1.', '1.k2.')
})) {
  t.test(`a session record ${what} is nobody's, and stays for the replica that can open it`, async t => {
    const { browser, record } = await session()
    await write(record.key, change(record.text))
    await isNobody(t, browser)
    t.equal(await server.cli('get', record.key), change(record.text))
    await write(record.key, record.text)
    t.equal((await browser.fetch(at(two, '/x'))).status, 200, 'the session goes on where it is understood')
  })
}

t.test('two session records that were swapped open for nobody', async t => {
  const [alices, others] = [await session(), await session()]
  await write(alices.record.key, others.record.text)
  await write(others.record.key, alices.record.text)
  for (const { browser } of [alices, others]) await isNobody(t, browser)
})

t.test('a session that was signed out does not come back with its old record', async t => {
  const { browser, record } = await session()
  const cookie = browser.cookies(at(one, '/')).get('scopegate')!
  await browser.visit(at(one, '/.auth/logout'))
  browser.setCookie(at(one, '/'), 'scopegate', cookie)
  t.equal((await browser.fetch(at(two, '/x'))).status, 401)
  // Whoever can write to the store can bring back what they copied, for as long as it would have lived; not for longer.
  await server.cli('set', record.key, record.text)
  two.clock.advance(28_801)
  t.equal((await browser.fetch(at(two, '/x'))).status, 401, 'a store that keeps it for ever does not help')
  two.clock.advance(-28_801)
  await server.cli('del', record.key)
})

for (const [what, change, isKept] of [
  ['that was cut off', (text: string) => text.slice(0, 80), false],
  ['of an older version under the present one', (text: string, old: string) => `${text.slice(0, text.indexOf(':'))}${old.slice(old.indexOf(':'))}`, false],
  ['without a version', () => 'rubbish', true],
  ['of a later form', (text: string) => text.replace(':1.', ':2.'), true]
] as const) {
  t.test(`an account record ${what}: its user signs in again, and that helps`, async t => {
    await signIn()
    const [old] = await recordsOf('tc')
    const { browser } = await session()
    const [record] = await recordsOf('tc')
    t.not(record!.text, old!.text)
    await write(record!.key, change(record!.text, old!.text))
    await isNobody(t, browser)
    t.equal(await server.cli('exists', record!.key), isKept ? '1' : '0')
    const again = await signIn()
    t.equal((await again.fetch(at(two, '/x'))).status, 200)
  })
}
