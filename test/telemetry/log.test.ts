/** This file checks that the log says what happened and repeats nothing that somebody sent: no message, query, header or body. */
import { fastify } from 'fastify'
import t from 'tap'
import { recordRequest } from '../../src/telemetry/finished.ts'
import { createLog, type Logger, quoted, writeInfo } from '../../src/telemetry/log.ts'
import { noMetrics } from '../../src/telemetry/metrics.ts'

const secret = 'eyJhbGciOiJSUzI1NiJ9'

function listen (level = 'trace'): { log: Logger, lines: () => any[], text: () => string } {
  let text = ''
  const log = createLog(level, { write: line => { text += line } })
  return { log, text: () => text, lines: () => text.split('\n').filter(line => line !== '').map(line => JSON.parse(line)) }
}

t.test('a line is one JSON object with a level by name and a time that people read', async t => {
  const { log, lines } = listen()
  log.info({ event: 'listening', port: 8080 }, 'listening')
  t.match(lines(), [{ level: 'info', time: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$/, event: 'listening', port: 8080, msg: 'listening' }])
  t.same(Object.keys(lines()[0]).sort(), ['event', 'level', 'msg', 'port', 'time'], 'no host name, no process id')
})

t.test('text from outside cannot begin a line of its own', async t => {
  const { log, lines } = listen()
  log.info({ path: '/a\n{"level":"fatal"}\r\n\u2028' }, 'x')
  t.equal(lines().length, 1)
})

t.test('what is below the level is not written', async t => {
  const { log, lines } = listen('warn')
  log.info('x')
  log.warn('y')
  t.equal(lines().length, 1)
})

t.test('an error is told by its names, codes and places down its causes, never by its messages', async t => {
  const root = Object.assign(new RangeError(`token ${secret}`), { code: 'ECONNREFUSED' })
  const error = Object.assign(new TypeError(`query ?code=${secret}`, { cause: new Error(secret, { cause: root }) }), { code: 'SG_X', body: secret })
  const { log, lines, text } = listen()
  log.error({ err: error }, 'unexpected error')
  t.notMatch(text(), secret)
  t.match(lines()[0].err, {
    type: 'TypeError', code: 'SG_X', stack: [/^\s+at .*log\.test/], cause: { type: 'Error', cause: { type: 'RangeError', code: 'ECONNREFUSED' } }
  })
  t.ok(lines()[0].err.stack.length <= 10)
})

t.test('no way of logging an error writes its message', async t => {
  const error = new Error(`token ${secret}`)
  const ways: Record<string, (log: Logger) => void> = {
    'as the only argument': log => { log.error(error) },
    'as err without a message': log => { log.error({ err: error }) },
    'as the only argument, with a message': log => { log.error(error, 'it failed') },
    'at another level': log => { log.warn(error) },
    'from a child': log => { log.child({ a: 1 }).error(error) }
  }
  for (const [way, write] of Object.entries(ways)) {
    const { log, text, lines } = listen()
    write(log)
    t.notMatch(text(), secret, way)
    t.match(lines(), [{ err: { type: 'Error' } }], way)
  }
})

t.test('a message of several lines does not pass for places in the code', async t => {
  const { log, text } = listen()
  log.error({ err: new Error(`first\n    at ${secret}`) }, 'unexpected error')
  t.notMatch(text(), secret)
})

t.test('nothing that is thrown breaks the log', async t => {
  const cyclic = new Error('a')
  cyclic.cause = new Error('b', { cause: cyclic })
  let deep = new Error('bottom')
  for (let i = 0; i < 20_000; i++) deep = new Error('x', { cause: deep })
  const withoutStack = new Error('x')
  delete withoutStack.stack
  const strangers: Record<string, unknown> = {
    'a text': secret,
    undefined,
    null: null,
    'an object': { message: secret, token: secret },
    'a cause in a circle': cyclic,
    'very many causes': deep,
    'a stack that is no text': Object.assign(new Error('x'), { stack: 7 }),
    'no stack': withoutStack,
    'a code that throws': Object.defineProperty(new Error('x'), 'code', { enumerable: true, get () { throw new Error('gotcha') } })
  }
  for (const [what, err] of Object.entries(strangers)) {
    const { log, text, lines } = listen()
    t.doesNotThrow(() => { log.error({ err }, 'unexpected error') }, what)
    t.equal(lines().length, 1, what)
    t.ok(text().length < 100_000, what)
    t.notMatch(text(), secret, what)
  }
})

t.test('the line of a request has its path, never its query, header fields or body', async t => {
  const { log, lines, text } = listen()
  const sampling = { samplePercent: 100, slowSeconds: 1 }
  const app = fastify({ genReqId: () => 'request-1' })
  t.teardown(async () => { await app.close() })
  app.decorateRequest('tokenSource', undefined)
  app.addHook('onResponse', recordRequest({ log, metrics: noMetrics, userOf: ({ method }) => method === 'POST' ? 'a-hash' : undefined, sampling }))
  app.post('/orders/*', { config: { route: 'POST /orders/*' } }, async (request, reply) => {
    request.tokenSource = 'cache'
    return reply.code(201).send({ body: secret })
  })
  app.get('/nobody', async () => '')
  await app.inject({
    method: 'POST', url: `/orders/7?code=${secret}&a=b?c`, payload: { secret }, headers: { cookie: `a=${secret}`, authorization: `Bearer ${secret}`, 'x-custom': secret }
  })
  t.notMatch(text(), secret)
  t.match(lines(), [{
    level: 'info', requestId: 'request-1', method: 'POST', path: '/orders/7', route: 'POST /orders/*', user: 'a-hash', token: 'cache', status: 201
  }])
  t.type(lines()[0].ms, 'number')
  t.same(Object.keys(lines()[0]).sort(), ['level', 'method', 'ms', 'path', 'requestId', 'route', 'status', 'time', 'token', 'user'])
  await app.inject({ method: 'GET', url: '/nobody' })
  t.same(Object.keys(lines()[1]).sort(), ['level', 'method', 'ms', 'path', 'requestId', 'route', 'status', 'time'], 'without a user and a token')
})

t.test('the line of a request is what pino would have written, whatever its texts have in them', async t => {
  const texts = ['plain', 'a"b', 'a\\b', 'a\nb', 'a\u2028b', 'é', '\ud800', '\u007f', '{"a":1}']
  for (const value of texts) {
    const { log, lines, text } = listen()
    log.child({ worker: 3 }).info({ text: value })
    writeInfo(log.child({ worker: 3 }), `,"text":${quoted(value)}`)
    t.same({ ...lines()[1], time: '' }, { ...lines()[0], time: '' }, encodeURIComponent(value.replace('\ud800', '')))
    t.equal(text().split('\n').length, 3, 'a line each')
  }
})

t.test('whole requests and responses are never written, whoever logs them', async t => {
  const { log, text } = listen()
  log.info({ req: { url: `/x?code=${secret}` }, res: { headers: { 'set-cookie': secret } } }, 'x')
  t.notMatch(text(), secret)
})
