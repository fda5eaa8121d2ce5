/** This file checks how claims challenges are read: as RFC 9110 writes them, as APIs write them, and not at all. */
import fc from 'fast-check'
import t from 'tap'
import { parseClaimsRequest } from '../../src/identity/claims.ts'
import { readClaimsChallenge } from '../../src/proxy/challenge.ts'

const claims = '{"access_token":{"acrs":{"essential":true,"value":"c1"}}}'
const encode = (text: string, encoding: BufferEncoding = 'base64'): string => Buffer.from(text).toString(encoding)
const encoded = encode(claims)

/** Reads header lines: each a name and a value, or a value of WWW-Authenticate. */
function read (...lines: Array<string | readonly [name: string, value: string]>): string | undefined {
  const fields = lines.map(line => typeof line === 'string' ? ['WWW-Authenticate', line] : line)
  return readClaimsChallenge(fields.flat().map(text => Buffer.from(text, 'latin1')))
}

const good = `error="insufficient_claims", claims="${encoded}"`

t.test('a challenge is read however it is written', async t => {
  const written: Record<string, string> = {
    'as documented': `Bearer realm="", authorization_uri="https://login.example/authorize", ${good}`,
    'with an unquoted URL, as Graph does': `Bearer realm="", authorization_uri=https://login.example/common/authorize, client_id="x", errorDescription="a, \\"b\\" = c", ${good}`,
    unquoted: `Bearer error=insufficient_claims, claims=${encoded}`,
    'unquoted, with padding': `Bearer claims=${encode(`${claims} `)}, error=insufficient_claims`,
    'with padding': `Bearer ${good.replace(encoded, encode(`${claims}  `))}`,
    'as base64url without padding': `Bearer ${good.replace(encoded, encode(`${claims}  `, 'base64url'))}`,
    'in other letters': `bEARER ERROR="insufficient_claims", Claims="${encoded}"`,
    'in another order': `Bearer claims="${encoded}", error="insufficient_claims"`,
    'with quoted pairs': `Bearer error="insufficient\\_claims", claims="\\${encoded}"`,
    'with space around': `\t Bearer  error = "insufficient_claims" ,\tclaims="${encoded}" , `,
    'with empty elements': `, ,Bearer error="insufficient_claims",,, claims="${encoded}",`,
    'after another challenge': `Basic realm="a, Bearer", Negotiate, Digest qop="auth", Bearer ${good}`,
    'after a token68': `Negotiate YIIKgQ==, Bearer ${good}`,
    'before another challenge': `Bearer ${good}, Basic realm="x", error="other"`,
    'after another Bearer': `Bearer error="invalid_token", Bearer ${good}`,
    'after one that cannot be decoded': `Bearer error="insufficient_claims", claims="!", Bearer ${good}`
  }
  for (const [how, value] of Object.entries(written)) t.equal(read(value), claims, how)
})

t.test('every line is looked at, and only lines of this field', async t => {
  t.equal(read('Basic realm="x"', `Bearer ${good}`), claims)
  t.equal(read('Bearer error="never closed', `Bearer ${good}`), claims, 'one that cannot be read does not hide the next')
  t.equal(read(['www-authenticate', `Bearer ${good}`]), claims)
  t.equal(read(['X-WWW-Authenticate', `Bearer ${good}`], ['Proxy-Authenticate', `Bearer ${good}`], ['Content-Type', 'text/html']), undefined)
  t.equal(read(), undefined)
})

t.test('only what an access token should hold is asked for, whoever asks', async t => {
  const asked = (request: unknown): string | undefined => read(`Bearer error="insufficient_claims", claims="${encode(JSON.stringify(request))}"`)
  t.equal(asked({ access_token: { nbf: { value: '1' } }, id_token: { email: null }, userinfo: {} }), '{"access_token":{"nbf":{"value":"1"}}}')
  t.equal(asked({ id_token: { acrs: { value: 'c1' } } }), undefined)
  t.equal(read(`Bearer error="insufficient_claims", claims="${encode(' { "access_token" :\n{ "a" : null } } ')}"`), '{"access_token":{"a":null}}', 'written one way')
})

t.test('C6.7 what is no sound claims challenge is none', async t => {
  const unsound: Record<string, string> = {
    empty: '',
    'only commas': ',,,',
    'another error': `Bearer error="invalid_token", claims="${encoded}"`,
    'no error': `Bearer claims="${encoded}"`,
    'no claims': 'Bearer error="insufficient_claims"',
    'another scheme': `DPoP ${good}`,
    'no scheme': good,
    'parameters of another scheme': `Bearer realm="x", Basic ${good}`,
    'claims twice': `Bearer ${good}, claims="${encoded}"`,
    'error twice': `Bearer error="x", ${good}`,
    'a quote that is not closed': `Bearer ${good}, realm="x`,
    'text after a quote': `Bearer ${good.replace(/"$/, '" "')}`,
    'a stray equals sign': `Bearer = ${good}`,
    'the words within a value': `Bearer realm="${good.replaceAll('"', '\\"')}"`
  }
  for (const [what, value] of Object.entries(unsound)) t.equal(read(value), undefined, what)
  const texts: Record<string, string> = {
    nothing: '',
    'an empty object': '{}',
    'an empty access token': '{"access_token":{}}',
    'no object': '[{"access_token":{"a":1}}]',
    null: 'null',
    'an access token that is no object': '{"access_token":["a"]}',
    'broken JSON': '{"access_token":{"a":1}',
    'more than JSON': `${claims}x`,
    'too much': JSON.stringify({ access_token: { a: 'x'.repeat(2048) } }),
    'too much when written out': `{"access_token":{"a":[${'1e20,'.repeat(300)}0]}}`,
    'too much when quoted': `{"access_token":{"a":[${'"",'.repeat(500)}0]}}`
  }
  for (const [what, text] of Object.entries(texts)) t.equal(read(`Bearer error="insufficient_claims", claims="${encode(text)}"`), undefined, what)
  const invalid = Buffer.concat([Buffer.from('{"access_token":{"'), Buffer.from([0xff]), Buffer.from('":1}}')])
  t.equal(read(`Bearer error="insufficient_claims", claims="${invalid.toString('base64')}"`), undefined, 'not UTF-8')
  for (const bad of [`${encoded}=====`, encoded.replace('e', '*'), `${encoded.slice(0, 8)} ${encoded.slice(8)}`, claims.replaceAll('"', '\\"')]) {
    t.equal(read(`Bearer error="insufficient_claims", claims="${bad}"`), undefined, bad.slice(0, 20))
  }
})

t.test('any claims come back, in any writing of the challenge', async () => {
  const value = fc.oneof(
    fc.constant(null), fc.record({ essential: fc.boolean(), value: fc.string() }), fc.record({ values: fc.array(fc.string()) })
  )
  const request = fc.dictionary(fc.string({ minLength: 1, maxLength: 10 }), value, { minKeys: 1, maxKeys: 4 })
  const encoding = fc.constantFrom<BufferEncoding>('base64', 'base64url')
  const around = fc.constantFrom('', 'Basic realm="x, y", ', 'Negotiate, ', 'Negotiate abc=, ', 'Bearer error="invalid_token", ', ',')
  fc.assert(fc.property(request, encoding, around, fc.boolean(), (access, how, before, isQuoted) => {
    const text = JSON.stringify({ access_token: access })
    const quote = isQuoted ? '"' : ''
    const found = read(`${before}Bearer error=${quote}insufficient_claims${quote}, claims=${quote}${encode(text, how)}${quote}`)
    if (Buffer.byteLength(JSON.stringify(text)) > 2048) return found === undefined
    return found === text && parseClaimsRequest(found) === found
  }))
})
