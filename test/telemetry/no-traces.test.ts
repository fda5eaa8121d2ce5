/** This file checks that a gateway without traces is the gateway that it would be if there were no such thing. */
import t from 'tap'
import { openTraces } from '../../src/telemetry/open-traces.ts'
import { createLog } from '../../src/telemetry/log.ts'
import { noTraces } from '../../src/telemetry/traces.ts'

t.test('without traces every part stays what it is', async t => {
  const part = (): never => { throw new Error('not to be called') }
  t.equal(noTraces.requests(part, { scheme: 'http', isTrusted: part }), part)
  t.equal(noTraces.tokens(part, part), part)
  t.equal(noTraces.storeOperations(part, 'memory'), part)
  t.equal(noTraces.providerCalls(part), part)
  t.same([noTraces.answered, noTraces.fields, noTraces.upstream], [undefined, undefined, undefined])
  await t.resolves(noTraces.close())
})

t.test('nobody who does not ask for traces gets any, or a line in the log', async t => {
  let logged = ''
  const log = createLog('trace', { write: line => { logged += line } })
  t.equal(await openTraces({}, log), noTraces)
  t.equal(logged, '')
  t.equal(await openTraces({ OTEL_EXPORTER_OTLP_ENDPOINT: 'x' }, log), noTraces)
  t.match(JSON.parse(logged), { level: 'warn', event: 'tracing-off', why: /^OTEL_EXPORTER_OTLP_ENDPOINT must be/ })
})
