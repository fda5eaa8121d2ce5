/**
 * This file checks the one place where a raw request target becomes what is routed, authorised and forwarded. What it lets
 * through must not be another path for anybody who decodes, folds or splits it once more (security.md, 4.4 and C1).
 */
import fc from 'fast-check'
import t from 'tap'
import { parseTarget, type Target } from '../../src/proxy/target.ts'

function accepted (raw: string): Target {
  const target = parseTarget(raw)
  if (target.kind === 'refused') throw new Error(`${JSON.stringify(raw)} was refused: ${target.why}`)
  return target
}

/** Raw -> canonical path; `=` when it is canonical already. */
const paths: Readonly<Record<string, string>> = {
  '/': '=',
  '/a': '=',
  '/a/': '=',
  '/a/b.c/d_e~f-g': '=',
  "/!$&'()*+,=:@": '=',
  '/a:b/@me/[1]': '=',
  '/.well-known/x': '=',
  '/a../b': '=',
  '/.a/..b/c..': '=',
  '/%61dmin': '/admin',
  '/adm%69n': '/admin',
  '/%41%5A%30%2D%5f%7e': '/AZ0-_~',
  '/a%2eb': '/a.b',
  '/a%20b': '=',
  '/a%c3%a4': '/a%C3%A4',
  '/%e2%82%ac': '/%E2%82%AC',
  '/%F0%9D%84%9E': '=',
  '/a%23b': '=',
  '/a%3fb': '/a%3Fb',
  '/a%26%3d%2b': '/a%26%3D%2B',
  '/a%40%3a': '/a%40%3A',
  '/100%25': '=',
  '/100%25x': '=',
  '/%25zz': '=',
  '/a"b': '/a%22b',
  '/<x>': '/%3Cx%3E',
  '/a^b`c{d|e}': '/a%5Eb%60c%7Bd%7Ce%7D',
  '/a%22': '=',
  '/admin.json': '=',
  '/admin~': '=',
  '/ADMIN': '=',
  '/constructor/__proto__': '='
}

/** By the rule of security.md that forbids it. */
const refusedTargets: Readonly<Record<string, readonly string[]>> = {
  'dot segments': [
    '/.', '/..', '/./', '/../', '/./admin', '/public/./../admin', '/admin/.', '/admin/..', '/public/..', '/a/./b', '/a/../b', '/.hidden/.',
    '/%2e/admin', '/%2E/admin', '/public/%2e%2e/admin', '/public/.%2e/admin', '/public/%2e./admin', '/%2e', '/a/%2e%2e', '/livez/../admin',
    '/...', '/a/..../b', '/%2e%2e%2e', '/%20', '/a/%20/b', '/a/.%20/b', '/a/%20..%20'
  ],
  'dot segments behind an encoded slash or backslash': [
    '/public/..%2fadmin', '/public%2f..%2fadmin', '/public/%2e%2e%2fadmin', '/public/..%5cadmin', '/public/%5c..', '/a%2f.', '/a%5c..%5cb', '/a%2F%2E%2E'
  ],
  backslashes: ['/public/..\\admin', '/\\admin', '\\admin', '/a\\b', '/\\evil.example'],
  'empty segments': ['//', '//evil.example/x', '/a//b', '/a//', '/%2f', '/%2Fevil', '/a%2f%2fb', '/a/%2fb', '/%5cevil', '/a%2f/b'],
  'forms that are not ours to route': [
    '', ' ', '*', 'a', 'admin', 'admin/x', './admin', '?x', '#x', 'ftp://gw/x', 'javascript:alert(1)', 'http:/admin', 'http:admin', 'http://', 'http:///x',
    'http://evil@gw/admin', 'http://gw\\@evil/x', 'http://gw#x', 'gw:443', 'gw.example:443', '@gw/x', 'ws://gw/x', 'HTTP/1.1'
  ],
  'fragments, controls, spaces': [
    '/public#/../admin', '/admin#x', '/#', '/a?b#c', '/a b', '/ /evil', '/a\tb', '/a\nb', '/a\r\nX: y', '/x\0y', '/a\x7f', '/a?x y', '/a?x\0', '/a?\x7f', '/a?\n'
  ],
  'encoded controls': ['/admin%00', '/x%00y', '/admin%09', '/admin%0a', '/a%0d%0aX', '/%1f', '/%7f', '/%1B', '/a%01', '/%C2%80', '/%c2%9f', '/%C2%85'],
  'path parameters': ['/admin;x', '/admin;/x', '/;', '/a;b=c/d', '/..;/admin', '/admin%3bx', '/a%3B', '/public/..;/admin'],
  'what a second decoding would turn into syntax': [
    '/%252e', '/%252e%252e/admin', '/%252E%252E', '/a%252fb', '/a%255cb', '/%2525', '/%25252e', '/a%253b', '/a%2500', '/%25%32%65', '/%25%32%46', '/%2%35%32e',
    '/%25u002e', '/%25U002f', '/%25%2532%2545', '/%25%2532%2545%25%2532%2545/admin', '/%252%2545/admin', '/%25%32%2545'
  ],
  'invalid escapes': ['/%', '/%2', '/%zz', '/a%', '/%u002e', '/%u002e%u002e/admin', '/%%32', '/%-1', '/%+2', '/% 2', '/%2g', '/a%2'],
  'escapes that are not UTF-8': [
    '/%c0%ae%c0%ae/admin', '/%c0%af', '/%ff', '/%80', '/%c3', '/%e2%82', '/%ed%a0%80', '/%ed%bf%bf', '/%f4%90%80%80', '/%f8%88%80%80%80', '/%e0%80%ae', '/%C1%9C'
  ],
  'characters that fold to syntax': [
    '/%EF%BC%8E%EF%BC%8E/admin', '/a%EF%BC%8Fb', '/a%EF%BC%BCb', '/%E2%80%A4%E2%80%A4/admin', '/%E2%80%A5/admin', '/a%E2%81%84b', '/a%E2%88%95b',
    '/a%E2%88%96b', '/a%E2%A7%B5b', '/a%E2%A7%B8b', '/a%EF%BC%9Bb', '/a%EF%BC%85b', '/a%EF%B9%92b', '/a%CD%BEb', '/%E2%84%80', '/%E2%84%85'
  ],
  'raw characters beyond ASCII': ['/ä', '/\u2024\u2024/admin', '/a?ä', '/\ud800', '/\uff0e\uff0e/', '/a\u00a0b', '/a?\u0085', '/\u0100']
}

/** A path with the characters decoded that a route's path may have (config reference, `path`). */
function literal (path: string): string {
  return [...'!$&\'+,=:@'].reduce((text, character) => text.replaceAll(`%${character.charCodeAt(0).toString(16).toUpperCase()}`, character), path)
}

t.test('an acceptable path comes out in its one canonical form', async t => {
  for (const [raw, canonical] of Object.entries(paths)) {
    const path = canonical === '=' ? raw : canonical
    t.same(parseTarget(raw), { kind: 'target', path, routePath: literal(path), query: '', authority: undefined }, raw)
  }
})

for (const [rule, targets] of Object.entries(refusedTargets)) {
  t.test(`refused: ${rule}`, async t => {
    for (const raw of targets) {
      const target = parseTarget(raw)
      t.match(target, { kind: 'refused', status: 400, why: /./ }, JSON.stringify(raw))
      t.match(parseTarget(`${raw}?x=1`).kind, raw.includes('?') ? /./ : 'refused', `${JSON.stringify(raw)} with a query`)
    }
  })
}

t.test('a reason for the log repeats nothing of what was sent', async t => {
  for (const raw of Object.values(refusedTargets).flat()) {
    const target = parseTarget(`/hunter2${raw}`)
    if (target.kind === 'refused') t.notMatch(target.why, 'hunter2')
  }
})

t.test('a query passes byte for byte and takes no part in the path', async t => {
  for (const query of ['?', '?x=/admin', '?/public/a.css', '?a=%2e%2e/', '?a=..//../\\', '?%zz%', '?a=b?c=d', '?a;b', '?%00%0d%0a', '?"<>^`{|}', '?%c0%ae', '?//evil']) {
    t.same(parseTarget(`/admin${query}`), { kind: 'target', path: '/admin', routePath: '/admin', query, authority: undefined }, query)
  }
})

t.test('an encoded slash or backslash stays in the path and is a slash to the routes', async t => {
  const cases: Record<string, [path: string, routePath: string]> = {
    '/admin%2fsecret': ['/admin%2Fsecret', '/admin/secret'],
    '/admin%2Fsecret': ['/admin%2Fsecret', '/admin/secret'],
    '/a%5cb': ['/a%5Cb', '/a/b'],
    '/a%2f': ['/a%2F', '/a/'],
    '/.auth%2flogin': ['/.auth%2Flogin', '/.auth/login'],
    '/a%2f%61': ['/a%2Fa', '/a/a']
  }
  for (const [raw, [path, routePath]] of Object.entries(cases)) t.match(parseTarget(raw), { path, routePath }, raw)
})

t.test('an absolute target gives its path, and its authority for the check of the host', async t => {
  const cases: Record<string, Partial<Target>> = {
    'http://gw/admin': { path: '/admin', authority: 'gw', query: '' },
    'https://gw:8443/a?b=c': { path: '/a', authority: 'gw:8443', query: '?b=c' },
    'HTTP://GW/admin': { path: '/admin', authority: 'GW' },
    'http://gw': { path: '/', authority: 'gw' },
    'http://evil.example/admin': { path: '/admin', authority: 'evil.example' },
    'http://[::1]:80/a': { path: '/a', authority: '[::1]:80' },
    'http://gw/http://evil': { kind: 'refused' } as never,
    'http://gw/%61': { path: '/a', authority: 'gw' },
    'http://gw/a?http://x@y': { path: '/a', authority: 'gw', query: '?http://x@y' }
  }
  for (const [raw, expected] of Object.entries(cases)) t.match(parseTarget(raw), expected, raw)
  for (const refused of ['/../admin', '//admin', '/a%00', '/a;b', '/%252e']) t.equal(parseTarget(`http://gw${refused}`).kind, 'refused', refused)
})

t.test('up to 8 KiB are looked at, more is 414', async t => {
  t.equal(accepted(`/${'a'.repeat(8191)}`).path.length, 8192)
  t.match(parseTarget(`/${'a'.repeat(8192)}`), { kind: 'refused', status: 414 })
  t.match(parseTarget(`/a?${'b'.repeat(8190)}`), { kind: 'refused', status: 414 })
  t.match(parseTarget('%25'.repeat(1_000_000)), { kind: 'refused', status: 414 })
})

t.test('the worst 8 KiB take no longer than their length', async t => {
  const size = 8190
  const worst = ['%25', '%2525', '%c3%a4', '%2e', '%2f', '.', '/', './', '/.', 'a/', '"', '%E2%84%80', '%', '%41', '{|}', '%CC%81', '%EF%BF%BD', '%25%']
  for (const piece of worst) {
    const raw = `/${piece.repeat(Math.floor(size / piece.length))}`
    const before = process.cpuUsage().user
    for (let i = 0; i < 20; i++) parseTarget(raw)
    t.ok(process.cpuUsage().user - before < 1_000_000, piece)
  }
})

/** Pieces of which hostile targets are made. */
const pieces = fc.constantFrom(
  '%', '25', '2', '5', 'e', 'E', 'f', 'c', '%2', '%25', '%2e', '%2E', '%2f', '%5c', '%5C', '.', '..', '/', '\\', 'a', 'admin', ';', '%3b', '%00', '32', '45',
  '%c0%ae', '%EF%BC%8E', '%u002e', '%E2%80%A4', '%c3%a4', ':', '@', '"', '{', '^', '[', '+', '~', '%20', '%7e', '%41', '66', '46', '3', 'B', '65'
)
const hostile = fc.array(pieces, { maxLength: 12 }).map(parts => `/${parts.join('')}`)
const anything = fc.oneof(hostile, fc.string({ unit: 'binary-ascii', maxLength: 40 }).map(text => `/${text}`), fc.webPath(), fc.string({ unit: 'binary' }))
/** Few pieces, so that escapes of escapes of escapes come up. */
const nested = fc.array(fc.constantFrom('%', '25', '%25', '2', 'E', '32', '45', '/'), { maxLength: 8 }).map(parts => `/${parts.join('')}`)
const runs = { numRuns: 20_000 }

/** As a backend decodes that leaves alone what it cannot decode. */
function decodeLeniently (text: string): string {
  return text.replace(/(?:%[0-9A-Fa-f]{2})+/g, escapes => {
    const bytes = Buffer.from(escapes.replaceAll('%', ''), 'hex')
    const decoded = bytes.toString('utf8')
    return Buffer.from(decoded).equals(bytes) ? decoded : bytes.toString('latin1')
  })
}

function decodings (path: string): string[] {
  const seen = [path]
  for (;;) {
    const next = decodeLeniently(seen.at(-1)!)
    if (next === seen.at(-1)) return seen
    seen.push(next)
  }
}

t.test('property: a canonical target is its own canonical target', async () => {
  fc.assert(fc.property(anything, raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return true
    const again = accepted(target.path + target.query)
    return again.path === target.path && again.routePath === target.routePath && again.query === target.query
  }), runs)
})

t.test('property: a URL parser reads the canonical path as it stands', async () => {
  fc.assert(fc.property(anything, raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return true
    return new URL(target.path, 'http://app.example').pathname === target.path && new URL(target.path, 'http://app.example').host === 'app.example'
  }), runs)
})

t.test('property: the canonical path means what was sent', async () => {
  fc.assert(fc.property(anything, raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused' || target.authority !== undefined) return true
    return decodeURIComponent(target.path) === decodeURIComponent(raw.split('?', 1)[0]!)
  }), runs)
})

t.test('property: no number of decodings shows a dot segment, a path parameter, a control or another first segment', async () => {
  fc.assert(fc.property(fc.oneof(anything, nested), raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return true
    for (const text of decodings(target.path)) {
      if (text.split(/[\\/]/).some(segment => segment === '.' || segment === '..')) return false
      if (/^[\\/]{2}|;|\0/.test(text)) return false
    }
    return true
  }), { numRuns: 60_000 })
})

t.test('property: the path that is routed is the path that is forwarded, with encoded slashes read as slashes', async () => {
  fc.assert(fc.property(anything, raw => {
    const target = parseTarget(raw)
    if (target.kind === 'refused') return true
    return target.routePath === literal(target.path.replace(/%2F|%5C/g, '/')) && !/%(?:2f|5c)/i.test(target.routePath)
  }), runs)
})
