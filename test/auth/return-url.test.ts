/**
 * This file checks that signing in and out never sends a browser elsewhere (security.md, A8 and C3): whatever is asked for,
 * the answer is a path here or '/'. Browsers strip, fold and decode more than a parser shows.
 */
import fc from 'fast-check'
import t from 'tap'
import { parseReturnUrl } from '../../src/auth/return-url.ts'

const publicUrl = 'https://gw.example'

t.test('a local path comes back as it was', async t => {
  for (const path of [
    '/', '/app', '/app/', '/app?x=1&y=2', '/app#part', '/a/b.c/d-e_f~g', '/?x=//evil.example', '/?next=https://evil.example/', '/#//evil', '/?a=\'"<>',
    '/search?q=%2F%2Fevil', '/a%20b', '/%C3%A4', '/a:b', '/@me', '/a/...b', '/.well-known/x', '/.authors', '/.auth-x', '/a/.auth/login', '/?/.auth/login',
    '/%E5%90%8D', '/!$&\'()*+,;=', '/a?b=%zz', `/${'a'.repeat(2047)}`, '/orders?page=2#x/../y'
  ]) t.equal(parseReturnUrl(path), path)
})

/** By the reason why it is not ours to go to. */
const refused: Readonly<Record<string, readonly unknown[]>> = {
  'no text': [undefined, null, 7, {}, [], ['/a'], ['/a', '/b'], Symbol('/a'), { toString: () => '/a' }],
  'another origin': [
    'https://evil.example', 'https://evil.example/', 'http://gw.example/', 'https:evil', 'http:/evil', 'https:/evil', 'https:///evil', 'HTTPS://EVIL', 'ftp://x',
    'https://gw.example@evil.example', 'https://gw.example.evil.example', 'https://evilgw.example', 'https://gw.example:1', 'https://gw.example\\@evil.example',
    'https://[::1]', 'https://ｅvil', 'javascript:alert(1)', 'JaVaScRiPt:alert(1)', 'data:text/html,x', 'blob:x', 'mailto:x', 'vbscript:x', 'https://gw.example/a'
  ],
  'authority by slashes': [
    '//evil.example', '///evil.example', '////evil', '/\\evil.example', '\\\\evil', '\\/evil', '/\\/evil', '//\\evil', '/%5cevil.example', '/%5Cevil', '/%2fevil',
    '/%2Fevil', '/%2f%2fevil', '/%252fevil', '/%255cevil', '/%25252fevil', '/%5c/evil', '/a//b', '//', '/a/%2f/b', '//evil%00', '//@evil', '//evil?x', '//evil#x'
  ],
  'controls and spaces that browsers strip': [
    '/\tevil', '/\t/evil', '\t//evil', '/\n/evil', '/\r/evil', '/\r\n/evil', '/\0/evil', ' //evil', ' /a', '/a ', '/ /evil', '/%09/evil', '/%0a/evil', '/%0d%0aX: y',
    '/%00/evil', '/%20/evil%0a', '/a\r\nSet-Cookie: x=y', '/%2509/evil', '/%7f', '/\x7f', '/\u0085', '/%C2%85', '/\x1f'
  ],
  'invisible and look-alike characters': [
    '/\u00a0/evil', '/\u200b/evil', '/%E2%80%8B/evil', '/\u2028', '/%E2%80%A8', '/\ufeff/evil', '/\u202e', '/%E2%80%AE', '/\u3000/evil', '/\u2044evil',
    '/%E2%81%84evil', '/%E2%88%95evil', '/%EF%BC%8Fevil', '/%EF%BC%BCevil', '/\uff0fevil', '/%EF%BC%8E%EF%BC%8E/x', '/%EF%BC%9A', '/%EF%BC%A0', '/ä', '/\ud83d\ude00',
    '/%E2%A7%B8evil', '/\u2215', '/%E2%80%A5/x'
  ],
  'dot segments': ['/.', '/..', '/./a', '/../a', '/a/..', '/a/.', '/a/../b', '/%2e/a', '/%2e%2e/a', '/.%2e/a', '/%252e%252e/a', '/..//evil', '/.//evil', '/a/..//evil'],
  'broken escapes': ['/%', '/%2', '/%zz', '/%u002f', '/a%', '/%c0%af', '/%ff', '/%ED%A0%80', '/%E2%82', '/%25zz%'],
  'deeper escapes than anybody needs': ['/%25252525252541', '/%252525252fevil', `/${'%25'.repeat(6)}2f`],
  'our own endpoints': [
    '/.auth', '/.auth/', '/.auth/login', '/.auth/logout?x', '/.auth?x', '/.auth#x', '/.AUTH/login', '/.Auth', '/%2eauth/logout', '/.%61uth/logout', '/.auth%2flogout',
    '/%252eauth/logout', '/.auth;x/logout', '/.auth%3bx', '/.auth/../a'
  ],
  'too long': [`/${'a'.repeat(2048)}`, `/${'a'.repeat(8192)}`, `/${'%25'.repeat(100_000)}`],
  'no path': ['', 'a', 'app/x', '?x', '#x', '.', './a', '../a', '~', '%2fa', 'null', 'undefined']
}

for (const [why, texts] of Object.entries(refused)) {
  t.test(`C3.1, C3.2, C3.4 it becomes '/': ${why}`, async t => {
    for (const text of texts) t.equal(parseReturnUrl(text), '/', typeof text === 'string' ? JSON.stringify(text).replace(/[^ -~]/g, '?').slice(0, 60) : typeof text)
  })
}

t.test('C3.3 every payload of a list made of prefixes, tricks and hosts stays here', async t => {
  const before = ['', '/', '//', '/\\', '\\', '/.', '/;', '/@', '/%09', '\t', ' ', '/%0d%0a', 'https:', 'javascript:', '/a/..', '/%2e', '/?', '/#', '/x']
  const trick = ['', '/', '\\', '//', '%2f', '%5c', '%252f', '@', ':', '\t/', '\n', '%00', '\u2044', '\uff0f', '.', '..', ';', '%E3%80%82', '\ufe68']
  const host = ['evil.example', 'evil.example/', '@evil.example', 'gw.example@evil.example', '[::1]', 'evil%E3%80%82example']
  let tried = 0
  for (const payload of before.flatMap(a => trick.flatMap(b => host.map(c => a + b + c)))) {
    const url = parseReturnUrl(payload)
    if (new URL(url, publicUrl).origin !== publicUrl) t.fail(JSON.stringify(payload))
    tried++
  }
  t.ok(tried > 2000, `${tried} payloads`)
})

const hostile = fc.array(fc.constantFrom(
  '/', '\\', '%2f', '%5c', '%25', '2f', '5c', '2e', '%2e', '.', '..', '@', ':', 'evil.example', '\t', '\n', '\0', ' ', '%09', '%0a', '%00', '?', '#', ';', 'a',
  '.auth', '%61', '\u200b', '\uff0f', '\u2044', '%EF%BC%8F', '%E2%80%8B', 'https:', 'javascript:', '%', '%c0%af', '[', ']', '&', '='
), { maxLength: 10 }).map(parts => `/${parts.join('')}`)
const anything = fc.oneof(hostile, fc.string({ unit: 'binary' }), fc.webUrl(), fc.string({ unit: 'binary-ascii' }).map(text => `/${text}`), fc.anything())

/** The text after each decoding, also those of decoders that leave alone what they cannot decode. */
function decodings (text: string): string[] {
  const seen = [text]
  for (let i = 0; i < 8; i++) {
    seen.push(seen.at(-1)!.replace(/(?:%[0-9A-Fa-f]{2})+/g, escapes => Buffer.from(escapes.replaceAll('%', ''), 'hex').toString()))
  }
  return seen
}

t.test('C3.3 property: the answer is a path that a browser resolves to our origin', async () => {
  fc.assert(fc.property(anything, raw => {
    const url = parseReturnUrl(raw)
    return /^\/(?![/\\])/.test(url) && /^[\x21-\x7e]+$/.test(url) && url.length <= 2048 && new URL(url, publicUrl).origin === publicUrl &&
      (url === '/' || url === raw)
  }), { numRuns: 20_000 })
})

t.test('property: the path stays here however often it is decoded, and is never one of our endpoints', async () => {
  fc.assert(fc.property(anything, raw => {
    const [path = ''] = parseReturnUrl(raw).split(/[?#]/, 1)
    return decodings(path).every(text => /^\/(?![/\\])/.test(text) && !/[\\\p{Cc}]/u.test(text) && !/^\/\.auth(?:\/|$)/i.test(text) &&
      new URL(text, publicUrl).origin === publicUrl)
  }), { numRuns: 20_000 })
})

t.test('property: an answer is its own answer', async () => {
  fc.assert(fc.property(anything, raw => parseReturnUrl(parseReturnUrl(raw)) === parseReturnUrl(raw)), { numRuns: 5000 })
})
