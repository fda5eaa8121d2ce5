/** This file tests what is decided at start; the router's table is in table.test.ts. */
import t from 'tap'
import { compileConfig, rewritePath, type CompiledRoute } from '../../src/config/compile.ts'
import { configText, mustLoad, withRoutes } from './support.ts'

function compileRoute (text: string): CompiledRoute {
  return compileConfig(mustLoad(withRoutes(text))).routes[0]!
}

t.test('a route gets what the upstream and the server say, and its own', async t => {
  const { routes } = compileConfig(mustLoad(configText({
    server: 'server: { publicUrl: https://portal.contoso.com, limits: { maxBodyBytes: 1000 } }',
    upstreams: 'upstreams: { app: { url: https://app.example:8443/base/, timeouts: { headersSeconds: 5 } } }',
    routes: `routes:
  - { path: /a/*, upstream: app }
  - { path: /b, upstream: app, methods: [POST, GET], hosts: [B.example, c.example], maxBodyBytes: 5, timeouts: { bodySeconds: 7 },
      requestHeaders: { set: { X-Set: v }, remove: [X-Gone] } }`
  })))
  t.match(routes[0], {
    id: '/a/*',
    path: '/a/*',
    prefix: '/a',
    wildcard: true,
    hosts: undefined,
    methods: undefined,
    upstreamName: 'app',
    upstreamUrl: { origin: 'https://app.example:8443', basePath: '/base' },
    scopeSet: -1,
    claimsChallenge: 'handle',
    timeouts: { connectSeconds: 3, headersSeconds: 5, bodySeconds: 60 },
    maxBodyBytes: 1000,
    requestHeaders: { set: {}, remove: [] }
  })
  t.match(routes[1], {
    id: 'POST,GET b.example,c.example/b',
    prefix: '/b',
    wildcard: false,
    hosts: ['b.example', 'c.example'],
    methods: ['GET', 'HEAD', 'POST'],
    timeouts: { connectSeconds: 3, headersSeconds: 5, bodySeconds: 7 },
    maxBodyBytes: 5,
    requestHeaders: { set: { 'x-set': 'v' }, remove: ['x-gone'] }
  })
  t.equal(compileRoute('{ path: /*, upstream: app }').prefix, '')
  t.match(compileRoute('{ path: /*, upstream: app }').upstreamUrl, { origin: 'https://app.example', basePath: '' })
})

t.test('scope sets that are the same to Entra share a number', async t => {
  const { routes, scopeSets } = compileConfig(mustLoad(configText({
    upstreams: 'upstreams: { app: { url: https://app.example, scopes: [User.Read, openid] }, none: { url: https://app.example } }',
    routes: `routes:
  - { path: /0, upstream: app }
  - { path: /1, upstream: none, scopes: [https://graph.microsoft.com/user.read] }
  - { path: /2, upstream: none, scopes: [00000003-0000-0000-c000-000000000000/User.Read] }
  - { path: /3, upstream: none, scopes: [api://orders/B, api://orders/A, profile] }
  - { path: /4, upstream: app, scopes: [API://orders/a, api://Orders/b, api://orders/A] }
  - { path: /5, upstream: app, scopes: [https://management.azure.com//.default] }
  - { path: /6, upstream: app, token: none }
  - { path: /7, upstream: app, scopes: [] }
  - { path: /8, upstream: app, access: public }
  - { path: /9, upstream: app, access: optional }`
  })))
  t.same(routes.map(route => route.scopeSet), [0, 0, 0, 1, 1, 2, -1, -1, -1, 0])
  t.same(scopeSets, [
    { index: 0, resource: 'https://graph.microsoft.com', scopes: ['User.Read'] },
    { index: 1, resource: 'api://orders', scopes: ['api://orders/A', 'api://orders/B'] },
    { index: 2, resource: 'https://management.azure.com/', scopes: ['https://management.azure.com//.default'] }
  ])
})

t.test('rewrite replaces the literal part once, at the start', async t => {
  const table: [path: string, rewrite: string | undefined, request: string, upstream: string][] = [
    ['/graph/*', '/', '/graph/me', '/me'],
    ['/graph/*', '/', '/graph/', '/'],
    ['/graph/*', '/', '/graph', '/'],
    ['/graph/*', '/', '/graph/graph/graph', '/graph/graph'],
    ['/graph/*', '/v2', '/graph/me', '/v2/me'],
    ['/graph/*', '/v2/', '/graph/me', '/v2/me'],
    ['/graph/*', '/v2', '/graph', '/v2'],
    ['/*', '/app', '/x', '/app/x'],
    ['/*', '/app', '/', '/app/'],
    ['/old', '/new', '/old', '/new'],
    ['/graph/*', undefined, '/graph/me', '/graph/me']
  ]
  for (const [path, rewrite, request, upstream] of table) {
    const route = compileRoute(`{ path: ${path}, upstream: app${rewrite === undefined ? '' : `, rewrite: ${rewrite}`} }`)
    t.equal(rewritePath(route, request), upstream, `${path} -> ${rewrite}: ${request}`)
  }
})

t.test('what is compiled is frozen', async t => {
  const compiled = compileConfig(mustLoad(withRoutes('{ path: /a/*, upstream: app, scopes: [User.Read] }')))
  const { routes, scopeSets, table } = compiled
  const parts = [compiled, routes, routes[0], routes[0]!.upstreamUrl, scopeSets[0], table, table[0]!.methods]
  for (const part of parts) t.ok(Object.isFrozen(part))
})
