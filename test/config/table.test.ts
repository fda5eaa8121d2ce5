/**
 * This file holds the router's table against the contract: host, then the longest literal path, then the method. The
 * contract is written down naively here, the router is the real one, and route lists are random.
 */
import fastify, { type FastifyInstance, type HTTPMethods } from 'fastify'
import fc from 'fast-check'
import t from 'tap'
import { compileConfig, type CompiledConfig, type CompiledRoute } from '../../src/config/compile.ts'
import { METHODS } from '../../src/config/schema-routes.ts'
import { load, mustLoad, withRoutes } from './support.ts'

interface Request { readonly method: string, readonly host: string, readonly path: string }

/** What the contract says, in its order and in its words. */
function expected (routes: readonly CompiledRoute[], { method, host, path }: Request): string | undefined {
  const matchesPath = ({ path: pattern }: CompiledRoute) =>
    pattern.endsWith('/*') ? path === pattern.slice(0, -2) || path.startsWith(pattern.slice(0, -1)) : path === pattern
  const ofHost = routes.filter(route => route.hosts?.includes(host)).filter(matchesPath)
  const candidates = ofHost.length > 0 ? ofHost : routes.filter(route => route.hosts === undefined).filter(matchesPath)

  const exact = candidates.filter(route => !route.path.endsWith('/*'))
  const longest = candidates.map(route => route.path).sort((one, other) => other.length - one.length)[0]
  const atPath = exact.length > 0 ? exact : candidates.filter(route => route.path === longest)
  const winner = atPath.find(route => route.methods?.includes(method)) ?? atPath.find(route => route.methods === undefined)
  return winner?.id
}

/** The router as the gateway sets it up: every entry registered as it is. */
async function router ({ table }: Pick<CompiledConfig, 'table'>): Promise<FastifyInstance> {
  const app = fastify({ exposeHeadRoutes: false })
  for (const method of METHODS) if (!app.supportedMethods.includes(method)) app.addHttpMethod(method)
  for (const { path, host, methods, route } of table) {
    app.route({
      method: [...methods] as HTTPMethods[],
      url: path,
      ...(host === undefined ? {} : { constraints: { host } }),
      handler: (_, reply) => reply.header('route', route?.id ?? 'unknown').send()
    })
  }
  await app.ready()
  return app
}

async function actual (app: FastifyInstance, { method, host, path }: Request): Promise<string | undefined> {
  const { headers, statusCode } = await app.inject({ method: method as 'GET', url: path, headers: { host } })
  return statusCode === 404 || headers.route === 'unknown' ? undefined : String(headers.route)
}

const path = fc.array(fc.constantFrom('a', 'b', 'ab', ':c'), { maxLength: 3 }).map(segments => `/${segments.join('/')}`)
const joined = (base: string, end: string) => base === '/' && end !== '' ? end : base + end
const pattern = fc.tuple(path, fc.constantFrom('', '/*', '/')).map(([base, end]) => joined(base, end))
const hosts = fc.option(fc.uniqueArray(fc.constantFrom('one.example', 'two.example'), { minLength: 1 }), { nil: undefined })
const methods = fc.option(fc.uniqueArray(fc.constantFrom(...METHODS), { minLength: 1, maxLength: 4 }), { nil: undefined })
const route = fc.record({ path: pattern, hosts, methods, upstream: fc.constant('app') }, { requiredKeys: ['path', 'upstream'] })
const request = fc.record({
  method: fc.constantFrom<string>('GET', 'HEAD', 'POST', 'PUT', 'PROPFIND'),
  host: fc.constantFrom('one.example', 'two.example', 'three.example'),
  path: fc.tuple(path, fc.constantFrom('', '/', '/x', '/a/x')).map(([base, end]) => joined(base, end))
})
const routes = fc.array(route, { minLength: 1, maxLength: 7 })
const requests = fc.array(request, { minLength: 20, maxLength: 20 })

t.test('C1.19 the router chooses what the contract says', async t => {
  let compared = 0
  await fc.assert(fc.asyncProperty(routes, requests, async (routes, requests) => {
    const loaded = load(withRoutes(...routes.map(route => JSON.stringify(route))))
    fc.pre(loaded.kind === 'config')
    const compiled = compileConfig(loaded.config)
    const app = await router(compiled)
    for (const request of requests) {
      const [wanted, got] = [expected(compiled.routes, request), await actual(app, request)]
      if (wanted !== got) throw new Error(`${JSON.stringify(request)}: ${wanted} by the contract, ${got} by the router`)
      compared += wanted === undefined ? 0 : 1
    }
  }), { numRuns: 150 })
  t.ok(compared > 200, 'most of the requests met a route')
})

t.test('the examples of the contract', async t => {
  const compiled = compileConfig(mustLoad(withRoutes(
    '{ path: /api/a/*, upstream: app }',
    '{ path: /api/orders/*, methods: [POST, PUT, DELETE], upstream: app }',
    '{ path: /api/orders/*, upstream: app }',
    '{ path: /api/form, methods: [POST], upstream: app }',
    '{ path: /api/own/*, upstream: app }',
    '{ path: /api/*, hosts: [One.example], upstream: app }',
    '{ path: /*, upstream: app }'
  )))
  const app = await router(compiled)
  const table: [request: string, winner: string | undefined][] = [
    ['GET any.example /api/a', '/api/a/*'],
    ['GET any.example /api/a/', '/api/a/*'],
    ['GET any.example /api/a/x', '/api/a/*'],
    ['GET any.example /api/ab', '/*'],
    ['GET any.example /', '/*'],
    ['POST any.example /api/orders/7', 'POST,PUT,DELETE /api/orders/*'],
    ['GET any.example /api/orders/7', '/api/orders/*'],
    ['POST any.example /api/form', 'POST /api/form'],
    ['GET any.example /api/form', undefined],
    ['GET any.example /api/form/x', '/*'],
    ['GET any.example /api/own/x', '/api/own/*'],
    ['GET one.example /api/own/x', 'one.example/api/*'],
    ['GET one.example /api/form', 'one.example/api/*'],
    ['GET one.example /api', 'one.example/api/*'],
    ['GET one.example /other', '/*']
  ]
  for (const [text, winner] of table) {
    const [method = '', host = '', path = ''] = text.split(' ')
    t.equal(expected(compiled.routes, { method, host, path }), winner, `contract: ${text}`)
    t.equal(await actual(app, { method, host, path }), winner, `router: ${text}`)
  }
})

t.test('each path stands once per host and method, and every method is there', async t => {
  const { table } = compileConfig(mustLoad(withRoutes(
    '{ path: /a/*, methods: [GET], upstream: app }',
    '{ path: /a, upstream: app }',
    '{ path: /a/b, hosts: [one.example], upstream: app }',
    '{ path: /a/*, methods: [POST], upstream: app }'
  )))
  const places = new Map<string, string[]>()
  for (const { path, host, methods } of table) places.set(`${host} ${path}`, [...places.get(`${host} ${path}`) ?? [], ...methods])
  for (const [place, methods] of places) t.same([...methods].sort(), [...METHODS].sort(), place)
})
