/** This file checks what a browser sees of an upstream's header section: no hop's fields, no cookie of ours, no inner address. */
import t from 'tap'
import type { CompiledRoute } from '../../src/config/compile.ts'
import { mapLocation, responseHeaderWriter } from '../../src/proxy/response-headers.ts'
import { ownCookie, routeOf, valuesOf } from './support.ts'

function writer (route: CompiledRoute = routeOf()) {
  const planted: string[] = []
  const write = responseHeaderWriter(route, { isOwnCookie: ownCookie, onPlantedCookie: ({ id }) => { planted.push(id) } })
  return {
    planted,
    write: (fields: ReadonlyArray<readonly [string, string]>): string[] => write(fields.flat().map(text => Buffer.from(text, 'latin1')))
  }
}

t.test('an application\'s fields pass byte for byte, in order, repeated or not', async t => {
  const fields: Array<[string, string]> = [
    ['Content-Type', 'text/html'], ['CONTENT-LENGTH', '5'], ['Set-Cookie', 'a=1; Path=/'], ['set-cookie', 'b=2'], ['Cache-Control', 'public'],
    ['ETag', '"x"'], ['X-8-Bit', '\xe4\xff'], ['X-Empty', ''], ['WWW-Authenticate', 'Basic realm="x"'], ['Content-Encoding', 'gzip'],
    ['Content-Security-Policy', "default-src 'none'"], ['Strict-Transport-Security', 'max-age=1'], ['Date', 'now'], ['Server', 'Apache'], ['X_Custom', '1'],
    ['Access-Control-Allow-Origin', '*'], ['Content-Range', 'bytes 0-0/5'], ['Location', '/login?x=1'], ['constructor', 'c'], ['__proto__', 'p']
  ]
  t.same(writer().write(fields), fields.flat())
})

t.test('what ends at each hop, and what only the gateway may say, does not pass', async t => {
  const names = [
    'Connection', 'Keep-Alive', 'Proxy-Connection', 'Proxy-Authenticate', 'Proxy-Authentication-Info', 'TE', 'Trailer', 'Transfer-Encoding', 'Upgrade',
    'HTTP2-Settings', 'Clear-Site-Data', 'scopegate', 'scopegate-error'
  ]
  for (const name of names.flatMap(name => [name, name.toLowerCase(), name.toUpperCase()])) {
    t.same(writer().write([['X-First', '1'], [name, 'evil'], ['X-Last', '1']]), ['X-First', '1', 'X-Last', '1'], name)
  }
})

t.test('what Connection nominates ends here, wherever it stands', async t => {
  const hop: [string, string] = ['X-Hop', 'evil']
  const sections: Array<Array<[string, string]>> = [
    [['Connection', 'x-hop'], hop],
    [hop, ['Connection', 'X-HOP']],
    [['connection', 'close, x-hop'], hop, ['x-hop', 'evil']],
    [['CONNECTION', 'keep-alive,X-Hop , x-other'], hop],
    [['Connection', 'x-hop'], ['Connection', 'close'], hop],
    [['Connection', 'close'], hop, ['Connection', 'x-hop']],
    [['Connection', 'x-hop'], ['Connection', 'x-other'], hop]
  ]
  for (const section of sections) t.same(writer().write([...section, ['X-Last', '1']]), ['X-Last', '1'], JSON.stringify(section))
})

t.test('a nomination takes away neither the length nor what the route sets', async t => {
  const { write } = writer(routeOf('responseHeaders: { set: { X-Frame-Options: DENY } }'))
  const list = write([['Connection', 'content-length, x-frame-options'], ['Content-Length', '5'], ['X-Frame-Options', 'ALLOW']])
  t.same(list, ['Content-Length', '5', 'x-frame-options', 'DENY'])
})

t.test('a cookie that could become one of the gateway\'s is dropped, and told', async t => {
  const planted = [
    '__Host-scopegate=evil; Path=/; Secure', '__host-scopegate=evil', '__HOST-SCOPEGATE=evil', 'scopegate=evil; Domain=contoso.com', 'ScopeGate=evil',
    '__Secure-scopegate=evil; Secure', ' __Host-scopegate=evil', '\t__Host-scopegate =evil', '__Host-scopegate\t=evil', '=__Host-scopegate=evil',
    ' = __Host-scopegate=evil', '==__Host-scopegate=evil', '__Host-scopegate', '__Host-scopegate=', '__Host-scopegate;', '__Host-scopegate; Max-Age=0',
    '__Host-scopegate.t.12345678=evil; Path=/.auth', '__Host-scopegate.r=evil', 'scopegate.after=//evil', '__Host-scopegate=a=b', '__Host-scopegate=;x',
    '__Host-scopegate=deleted; Expires=Thu, 01 Jan 1970 00:00:00 GMT'
  ]
  for (const cookie of planted) {
    for (const name of ['Set-Cookie', 'set-cookie', 'SET-COOKIE']) {
      const { write, planted: told } = writer()
      t.same(write([['Set-Cookie', 'a=1'], [name, cookie], ['Set-Cookie', 'b=2']]), ['Set-Cookie', 'a=1', 'Set-Cookie', 'b=2'], JSON.stringify(cookie))
      t.same(told, ['/*'])
    }
  }
})

t.test('an application\'s own cookies pass, whatever they hold', async t => {
  const cookies = [
    'scopegate2=1', 'my-scopegate=1', 'a=__Host-scopegate=1', 'a=1; Path=/; __Host-scopegate=1', 'JSESSIONID=1; HttpOnly', '__Host-app=1; Secure; Path=/',
    '=a', '', ';', '=', 'a', 'a=scopegate'
  ]
  const { write, planted } = writer()
  for (const cookie of cookies) t.same(write([['Set-Cookie', cookie]]), ['Set-Cookie', cookie], JSON.stringify(cookie))
  t.same(planted, [])
})

t.test('a route\'s own edits replace and remove, in any spelling', async t => {
  const { write } = writer(routeOf('responseHeaders: { set: { X-Env: prod }, remove: [Server, x-powered-by] }'))
  t.same(write([['x-ENV', 'evil'], ['SERVER', 'evil'], ['X-Powered-By', 'evil'], ['X-Other', '1']]), ['X-Other', '1', 'x-env', 'prod'])
})

t.test('addresses in Location and Content-Location are mapped, in no other field', async t => {
  const { write } = writer(routeOf('', { url: 'http://app.internal:3000' }))
  for (const name of ['Location', 'location', 'Content-Location', 'CONTENT-LOCATION']) t.same(write([[name, 'http://app.internal:3000/a?b#c']]), [name, '/a?b#c'])
  for (const name of ['Link', 'Refresh', 'X-Location', 'Referer']) t.same(valuesOf(write([[name, 'http://app.internal:3000/a']]), name.toLowerCase()), ['http://app.internal:3000/a'])
})

interface Mapping {
  readonly url: string
  readonly path?: string
  readonly rewrite?: string
  /** Location -> what the browser gets; `=` when it passes byte for byte. */
  readonly locations: Readonly<Record<string, string>>
}

const mappings: readonly Mapping[] = [
  {
    url: 'http://app.internal:3000',
    locations: {
      'http://app.internal:3000': '/',
      'http://app.internal:3000/': '/',
      'http://app.internal:3000/a/b?c=d#e': '/a/b?c=d#e',
      'HTTP://APP.INTERNAL:3000/a': '/a',
      'http://app.internal:3000/a/../b': '/b',
      'http://app.internal:3000\\a': '/a',
      'http://app.internal:3000?x': '/?x',
      'http://app.internal/a': '=',
      'http://app.internal:3001/a': '=',
      'https://app.internal:3000/a': '=',
      'http://app.internal.evil:3000/a': '=',
      'http://evilapp.internal:3000/a': '=',
      'http://user@app.internal:3000/a': '=',
      'http://user:pw@app.internal:3000/a': '=',
      'http://app.internal:3000@evil.example/a': '=',
      '//app.internal:3000/a': '=',
      '//evil.example/a': '=',
      '/a': '=',
      '/': '=',
      login: '=',
      '../x': '=',
      '?x': '=',
      '#x': '=',
      '': '=',
      'javascript:alert(1)': '=',
      'data:text/html,x': '=',
      'https://evil.example/a': '=',
      'http:/app.internal:3000/a': '=',
      'http:app.internal:3000/a': '=',
      'http://': '=',
      'http://[': '=',
      ' http://app.internal:3000/a': '=',
      '/%2e%2e/x\\y': '='
    }
  },
  {
    url: 'https://graph.example/v1.0',
    path: '/graph/*',
    rewrite: '/',
    locations: {
      'https://graph.example/v1.0': '/graph/',
      'https://graph.example/v1.0/me': '/graph/me',
      'https://graph.example/v1.0/me/': '/graph/me/',
      'https://graph.example:443/v1.0/me': '/graph/me',
      'https://graph.example/v1.0beta/me': '=',
      'https://graph.example/beta/me': '=',
      'https://graph.example/v1.0/../beta': '=',
      'https://graph.example/': '=',
      '/v1.0/me': '='
    }
  },
  {
    url: 'http://app.internal',
    path: '/shop/*',
    rewrite: '/store/v2',
    locations: {
      'http://app.internal/store/v2': '/shop',
      'http://app.internal/store/v2/cart': '/shop/cart',
      'http://app.internal/store/v22/cart': '=',
      'http://app.internal/login': '='
    }
  }
]

for (const { url, path, rewrite, locations } of mappings) {
  t.test(`addresses of ${url}${path === undefined ? '' : ` behind ${path}`} lead the browser to where it finds them`, async t => {
    const route = routeOf(rewrite === undefined ? '' : `rewrite: ${rewrite}`, { url, ...(path === undefined ? {} : { path }) })
    for (const [location, mapped] of Object.entries(locations)) t.equal(mapLocation(location, route), mapped === '=' ? location : mapped, location)
  })
}

t.test('no address of the upstream becomes an address of somebody else', async t => {
  const routes = [
    { route: routeOf('', { url: 'http://app.internal' }), base: 'http://app.internal' },
    { route: routeOf('rewrite: /', { url: 'http://app.internal/base' }), base: 'http://app.internal/base' },
    { route: routeOf('rewrite: /', { url: 'http://app.internal', path: '/a/*' }), base: 'http://app.internal' }
  ]
  for (const { route, base } of routes) {
    for (const path of ['//evil.example', '//evil.example/x', '///evil.example', '/\\evil.example', '\\\\evil.example', '/\t/evil.example', '/.//evil.example',
      '/x/..//evil.example', '/%2e//evil.example', '//', '//@evil.example', '//evil.example:443/?x#y']) {
      const location = mapLocation(base + path, route)
      const { origin } = new URL(location, 'https://portal.contoso.com')
      t.ok(['https://portal.contoso.com', 'http://app.internal'].includes(origin), `${base}${JSON.stringify(path)} -> ${location}`)
    }
  }
})
