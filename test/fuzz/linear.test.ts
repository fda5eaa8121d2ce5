/**
 * This file measures parsers with eight times as much of the same: what takes eight times as long is linear, and what takes
 * sixty-four times as long can be used to stop a gateway. The limit lies between, and small times do not count.
 */
import t from 'tap'
import { parseForm } from '../../src/auth/form.ts'
import { readQuery } from '../../src/auth/query.ts'
import { parseReturnUrl } from '../../src/auth/return-url.ts'
import { readYaml } from '../../src/config/yaml.ts'
import { findBearer } from '../../src/proxy/bearer.ts'
import { readClaimsChallenge } from '../../src/proxy/challenge.ts'
import { parseTarget } from '../../src/proxy/target.ts'
import { readFields } from '../../src/server/fields.ts'
import { findCookie, withoutOwnCookies } from '../../src/session/cookie.ts'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createRecordSealer } from '../../src/store/sealed.ts'
import { ownCookie } from '../proxy/support.ts'

const records = createRecordSealer(createKeyRing([{ id: 'k1', secret: Buffer.alloc(32) }], 'gw'))

interface Measured {
  readonly parse: (text: string) => unknown
  readonly pieces: readonly string[]
  /** Characters of the larger input: what the parser takes, or more than a request can carry. */
  readonly size: number
}

const parsers: Record<string, Measured> = {
  target: { parse: text => parseTarget(`/${text}`), pieces: ['%25', '%2525', '%c3%a4', '.', 'a/', '"', '%E2%84%80', '%CC%81', '%41', '%2f', '%20', '. '], size: 8000 },
  'return URL': { parse: text => parseReturnUrl(`/${text}`), pieces: ['%25', '%2525', '%c3%a4', '.', 'a/', '%E2%84%80', '%CC%81', '/.x', '%20', '?', '.a'], size: 2000 },
  cookie: { parse: text => [findCookie(text, 'scopegate'), withoutOwnCookies(text, ownCookie)], pieces: [';', ' ', '=', 'a=b; ', 'scopegate=', '; ;', 'scopegate.', '\t', '__Host-'], size: 64_000 },
  bearer: { parse: text => findBearer(`Bearer ${text}`), pieces: ['a', 'a.', '.', ' ', '-', '='], size: 16_000 },
  query: { parse: text => readQuery(`/?${text}`)('a'), pieces: ['a=b&', '&', '%', '%61', '+', '=', 'a&', '?'], size: 64_000 },
  form: { parse: parseForm, pieces: ['a=b&', '&', '%', '%61', '+', '='], size: 64_000 },
  fields: { parse: text => readFields(text.split('')), pieces: ['H', 'ab'], size: 64_000 },
  challenge: {
    parse: text => readClaimsChallenge([Buffer.from('www-authenticate'), Buffer.from(text)]),
    pieces: ['a', ',', ' ', '=', '"', '\\', 'a=b,', 'Bearer ', 'a="b", ', 'a="', '"a', '\t,', '\\"'],
    size: 64_000
  },
  'sealed record': { parse: text => records.open('session-record', 'x', `1.k1.${text}`), pieces: ['A', '.', '=', '-', ' '], size: 256_000 },
  YAML: { parse: readYaml, pieces: ['a: b\n', '- ', '[', '{', '"', '&a ', '*a ', '# \n', ' ', '\n', '? ', '|\n', '\t', ', ', ': '], size: 24_000 }
}

/** Processor time of the quickest of some runs, in microseconds. */
function cost ({ parse }: Measured, text: string): number {
  const runs = Math.max(1, Math.min(64, Math.floor(64_000 / text.length)))
  const times = Array.from({ length: 3 }, () => {
    const before = process.cpuUsage()
    for (let i = 0; i < runs; i++) parse(text)
    return process.cpuUsage(before).user / runs
  })
  return Math.min(...times)
}

for (const [name, measured] of Object.entries(parsers)) {
  t.test(`${name}: time grows with the length, not with its square`, async t => {
    for (const piece of measured.pieces) {
      const large = piece.repeat(Math.floor(measured.size / piece.length))
      const small = large.slice(0, large.length / 8)
      const took = cost(measured, large)
      // Quicker than this, a square would do no harm either, and the clock is too coarse to tell.
      if (took < 20_000) continue
      t.ok(took < 24 * cost(measured, small), `${JSON.stringify(piece)}: ${Math.round(took / 1000)} ms`)
    }
    t.pass('all pieces')
  })
}
