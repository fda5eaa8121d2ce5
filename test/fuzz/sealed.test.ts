/**
 * This file brings what nobody sealed, or somebody changed, to everything that opens seals: pending sign-ins, what the next
 * sign-in is for, and records of the store. None of them ever says more than "no".
 */
import { randomBytes } from 'node:crypto'
import fc from 'fast-check'
import t from 'tap'
import { createSignInNeeds } from '../../src/auth/need.ts'
import { createTransactions, startTransaction } from '../../src/auth/transaction.ts'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createRecordSealer } from '../../src/store/sealed.ts'
import { cookieJar, sealWorld } from '../auth/support.ts'
import { bounded, corpus, near } from './support.ts'

const { sealer, clock } = sealWorld()
/** A state is used up only for a transaction that is this browser's. */
const claim = async (): Promise<boolean> => { throw new Error('claimed') }

/** Seeds and a good seal, with something changed. Base64url's last bits mean nothing: such a change is none. */
function changed (good: string): fc.Arbitrary<string> {
  const bytes = (text: string): string => text.split('.').map((part, i) => i === 0 ? part : Buffer.from(part, 'base64url').toString('hex')).join('.')
  return near([...corpus('sealed'), good]).filter(text => bytes(text) !== bytes(good))
}

t.test('C4.4 transaction: a cookie that was not sealed here is no sign-in, and stays where it is', async () => {
  const transactions = createTransactions(sealer, 'scopegate')
  const jar = cookieJar()
  const transaction = startTransaction({ returnUrl: '/x', scopes: ['openid'] }, clock.now())
  await transactions.keep(jar.request(), jar.reply, transaction)
  const [[name, good]] = [...jar.cookies] as [[string, string]]
  await fc.assert(fc.asyncProperty(changed(good), async value => {
    jar.cookies.set(name, value)
    const found = await transactions.take(jar.request(), jar.reply, { state: transaction.state, claim })
    return found.kind === 'unknown' && jar.cookies.get(name) === value
  }), bounded(1500))
})

t.test('transaction: a state that differs finds nothing', async () => {
  const transactions = createTransactions(sealer, 'scopegate')
  const jar = cookieJar()
  const transaction = startTransaction({ returnUrl: '/x', scopes: [] }, clock.now())
  await transactions.keep(jar.request(), jar.reply, transaction)
  await fc.assert(fc.asyncProperty(near([transaction.state]).filter(state => state !== transaction.state), async state =>
    (await transactions.take(jar.request(), jar.reply, { state, claim })).kind === 'unknown'), bounded(1500))
})

t.test('sign-in need: what was not sealed for this session asks for nothing', async () => {
  const needs = createSignInNeeds(sealer)
  const url = await needs.loginUrl({ reason: 'consent_required', scopes: ['https://graph.example/x'] } as never, '/x', 'session')
  const good = new URL(url, 'https://gw.example').searchParams.get('need')!
  await fc.assert(fc.asyncProperty(changed(good), fc.anything(), async (text, value) =>
    await needs.open(text, 'session') === undefined && await needs.open(value, 'session') === undefined), bounded(1500))
  await fc.assert(fc.asyncProperty(near(['session']).filter(key => key !== 'session'), async key =>
    await needs.open(good, key) === undefined), bounded(500))
})

t.test('sealed record: opens under its own purpose, key and version only', async () => {
  const records = createRecordSealer(createKeyRing([{ id: 'k1', secret: randomBytes(32) }], 'gw'))
  const good = records.seal('session-record', 'session:1 7', 'text')
  if (records.open('session-record', 'session:1 7', good) !== 'text') throw new Error('it does not open')
  fc.assert(fc.property(changed(good), near(['session:1 7']), (text, context) =>
    records.open('session-record', 'session:1 7', text) === undefined && records.open('account-record', 'session:1 7', good) === undefined &&
    (context === 'session:1 7' || records.open('session-record', context, good) === undefined)), bounded())
})

t.test('sealed record: any text comes back as it was', async () => {
  const records = createRecordSealer(createKeyRing([{ id: 'k1', secret: randomBytes(32) }], 'gw'))
  fc.assert(fc.property(fc.string({ unit: 'grapheme' }), fc.string({ unit: 'grapheme' }), (context, text) =>
    records.open('session-record', context, records.seal('session-record', context, text)) === text), bounded(1000))
})
