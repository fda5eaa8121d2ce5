/** This file checks whose request ids are taken over, and which. */
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { requestIds } from '../../src/server/request-id.ts'

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

function idOf (given: string | undefined, isTrusted = true): string {
  const headers = given === undefined ? {} : { 'x-request-id': given }
  return requestIds(() => ({ address: '10.0.0.1', isTrusted }))({ headers } as unknown as IncomingMessage)
}

const good = {
  'a UUID': '5f0c1b7e-8a7f-4c1e-9d2b-0123456789ab',
  'of nginx': 'f0e1d2c3b4a5968778695a4b3c2d1e0f',
  'of HAProxy': 'C0A80101:D2F4_C0A80102:01BB_5F0C1B7E_0001:1A2B',
  'a ULID': '01ARZ3NDEKTSV4RRFFQ69G5FAV',
  'one character': 'a',
  'as long as one may be': 'a'.repeat(128)
}

const bad = {
  none: undefined,
  empty: '',
  'too long': 'a'.repeat(129),
  'two of them, as Node joins them': 'abc, def',
  'a space': 'a b',
  'a quote': 'a"b',
  markup: '<script>',
  'a line break': 'a\nb',
  'a letter that is not ASCII': 'a\xe4',
  'a path': '../a',
  'an email address': 'alice@contoso.example'
}

for (const [what, id] of Object.entries(good)) {
  t.test(`${what} is taken from a trusted proxy, and from nobody else`, async t => {
    t.equal(idOf(id), id)
    t.match(idOf(id, false), uuid)
    t.not(idOf(id, false), id)
  })
}

for (const [what, id] of Object.entries(bad)) {
  t.test(`${what}: replaced, whoever sends it`, async t => {
    for (const isTrusted of [true, false]) t.match(idOf(id, isTrusted), uuid)
  })
}

t.test('no two requests have the same one', async t => {
  t.not(idOf('"'), idOf('"'))
})
