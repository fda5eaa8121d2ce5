/** This file checks pending sign-ins: each in a cookie of its own, five at a time, and only this browser's. */
import t from 'tap'
import { codeChallengeOf, createTransactions, startTransaction, type Transaction } from '../../src/auth/transaction.ts'
import { cookieJar, sealWorld } from './support.ts'

const base = '__Host-scopegate'
const claim = async (): Promise<boolean> => true
const wanted = { returnUrl: '/orders?page=2', scopes: ['api://orders/Orders.Read'] }

function world () {
  const seals = sealWorld()
  const jar = cookieJar()
  const transactions = createTransactions(seals.sealer, base)
  async function begin (more: Partial<Transaction> = {}): Promise<Transaction> {
    const transaction = startTransaction({ ...wanted, ...more }, seals.clock.now())
    await transactions.keep(jar.request(), jar.reply, transaction)
    return transaction
  }
  return { ...seals, jar, transactions, begin }
}

t.test('state, nonce and verifier are 256 random bits each, new every time', async t => {
  const made = Array.from({ length: 100 }, () => startTransaction(wanted, 1))
  const secrets = made.flatMap(({ state, nonce, codeVerifier }) => [state, nonce, codeVerifier])
  for (const secret of secrets) if (!/^[A-Za-z0-9_-]{43}$/.test(secret)) t.fail(secret)
  t.equal(new Set(secrets).size, 300)
  t.match(made[0], { ...wanted, startedAt: 1 })
})

t.test('the code challenge is S256 of the verifier (RFC 7636, appendix B)', async t => {
  const transaction = { ...startTransaction(wanted, 1), codeVerifier: 'dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk' }
  t.equal(codeChallengeOf(transaction), 'E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM')
})

t.test('a transaction comes back once for its state, and its cookie goes', async t => {
  const { jar, transactions, begin } = world()
  const transaction = await begin({ claims: '{"id_token":{}}' })
  const [{ name, options }] = jar.set as [CookieSet]
  t.equal(name, `${base}.t.${transaction.state.slice(0, 8)}`)
  t.match(options, { maxAge: 600, sameSite: 'lax' })
  t.same(await transactions.take(jar.request(), jar.reply, { state: transaction.state, claim }), { kind: 'found', transaction })
  t.same(jar.cleared, [name])
  t.same(await transactions.take(jar.request(), jar.reply, { state: transaction.state, claim }), { kind: 'unknown' })
})

type CookieSet = ReturnType<typeof cookieJar>['set'][number]

t.test('nothing of it can be read in the cookie', async t => {
  const { jar, begin } = world()
  const { state, nonce, codeVerifier } = await begin()
  const [{ value }] = jar.set as [CookieSet]
  const seen = value + value.split('.').map(part => Buffer.from(part, 'base64url').toString('latin1')).join()
  for (const secret of [state, nonce, codeVerifier, 'Orders.Read', '/orders']) t.notOk(seen.includes(secret), secret)
})

t.test('a state of another browser, another cookie or nobody is unknown, and takes no cookie with it', async t => {
  const { jar, transactions, begin, stranger } = world()
  const mine = await begin()
  const other = world()
  const theirs = await other.begin()
  const name = `${base}.t.${mine.state.slice(0, 8)}`
  const strangers = [theirs.state, '', 'x', mine.state.slice(0, 8), `${mine.state.slice(0, 8)}${'A'.repeat(35)}`, `${mine.state} `, mine.state.toLowerCase(),
    '__proto__', 'a'.repeat(100_000)]
  for (const state of strangers) {
    t.same(await transactions.take(jar.request(), jar.reply, { state, claim }), { kind: 'unknown' }, state.slice(0, 60))
  }
  const sealed = await stranger.seal('transaction', mine, 600_000)
  const swapped = { cookies: { [name]: sealed } } as never
  t.same(await transactions.take(swapped, jar.reply, { state: mine.state, claim }), { kind: 'unknown' }, 'sealed by another gateway')
  const moved = { cookies: { [`${base}.t.${theirs.state.slice(0, 8)}`]: jar.cookies.get(name) } } as never
  t.same(await transactions.take(moved, jar.reply, { state: theirs.state, claim }), { kind: 'unknown' }, 'a good cookie under the name of another state')
  t.same(jar.cleared, [])
  t.equal((await transactions.take(jar.request(), jar.reply, { state: mine.state, claim })).kind, 'found')
})

t.test('a claim decides after the browser has been recognised; while it cannot be asked, the cookie stays', async t => {
  const { jar, transactions, begin } = world()
  const { state } = await begin()
  const away = async (): Promise<boolean> => { throw new Error('away') }
  t.same(await transactions.take(jar.request(), jar.reply, { state: `${state.slice(0, 8)}${'A'.repeat(35)}`, claim: away }), { kind: 'unknown' })
  await t.rejects(transactions.take(jar.request(), jar.reply, { state, claim: away }), { message: 'away' })
  t.same(jar.cleared, [], 'the same callback may be tried again')
  t.same(await transactions.take(jar.request(), jar.reply, { state, claim: async () => false }), { kind: 'expired' }, 'used before')
  t.equal(jar.cookies.size, 0)
})

t.test('after ten minutes it has expired', async t => {
  const { jar, transactions, begin, clock } = world()
  const transaction = await begin()
  clock.advance(599)
  const early = { cookies: Object.fromEntries(jar.cookies) } as never
  t.equal((await transactions.take(early, cookieJar().reply, { state: transaction.state, claim })).kind, 'found')
  clock.advance(2)
  t.same(await transactions.take(jar.request(), jar.reply, { state: transaction.state, claim }), { kind: 'expired' })
  t.equal(jar.cookies.size, 0)
})

t.test('five sign-ins may be under way, the oldest gives way to a sixth', async t => {
  const { jar, transactions, begin, clock } = world()
  const states: string[] = []
  for (let i = 0; i < 20; i++) {
    states.push((await begin()).state)
    t.ok(jar.cookies.size <= 5, `${jar.cookies.size} cookies`)
    clock.advance(1)
  }
  const kindOf = async (state: string) => (await transactions.take(jar.request(), jar.reply, { state, claim })).kind
  const kinds = await Promise.all(states.map(kindOf))
  t.same(kinds, [...Array.from({ length: 15 }, () => 'unknown'), ...Array.from({ length: 5 }, () => 'found')])
})

t.test('what was planted under such a name gives way first', async t => {
  const { jar, begin } = world()
  jar.cookies.set('app', '1')
  for (let i = 0; i < 5; i++) jar.cookies.set(`${base}.t.planted${i}`, 'x')
  const transaction = await begin()
  t.equal(jar.cookies.size, 6)
  t.ok(jar.cookies.has(`${base}.t.${transaction.state.slice(0, 8)}`))
  t.ok(jar.cookies.has('app'), 'cookies of others are left alone')
  for (let i = 0; i < 4; i++) await begin()
  t.equal([...jar.cookies.keys()].filter(name => name.includes('planted')).length, 0)
})

t.test('a browser keeps the cookie: 4096 bytes with its name and attributes, whatever is asked for (security.md, S1)', async t => {
  const { jar, begin } = world()
  const scopes = Array.from({ length: 12 }, (_, i) => `api://22222222-2222-4222-8222-222222222222/Reports.Read.Section${i}`)
  const claims = JSON.stringify({ access_token: { acrs: { essential: true, value: 'c1' }, xms_cc: { values: ['cp1'] } } })
  const asks: Array<Partial<Transaction>> = [{}, { returnUrl: `/${'a'.repeat(2047)}` }, { returnUrl: `/${'a'.repeat(2047)}`, scopes, claims }, { scopes, claims }]
  for (const more of asks) {
    await begin(more)
    const { name, value } = jar.set.at(-1)!
    const line = `${name}=${value}; Max-Age=600; Path=/; HttpOnly; Secure; SameSite=Lax`
    t.ok(line.length < 4096, `${line.length} bytes`)
  }
})
