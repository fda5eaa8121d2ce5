/** This file reads the variables by which traces are switched on. */
import t from 'tap'
import { type Env, readTraceSettings } from '../../src/telemetry/trace-settings.ts'

const endpoint = 'http://collector:4318'
const on = { kind: 'on', collector: endpoint }
const wanted = { OTEL_EXPORTER_OTLP_ENDPOINT: endpoint }

t.test('an endpoint switches traces on', async t => {
  t.same(readTraceSettings(wanted), on)
  t.same(readTraceSettings({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: `${endpoint}/v1/traces` }), on)
  t.same(readTraceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'x', OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: endpoint }), on, 'that for traces counts')
  t.same(readTraceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'https://user:secret@collector:4318/x' }), { kind: 'on', collector: 'https://collector:4318' })
})

t.test('without one, and with a word to the contrary, there are none', async t => {
  const off: Env[] = [
    {}, { OTEL_EXPORTER_OTLP_ENDPOINT: '' }, { OTEL_EXPORTER_OTLP_ENDPOINT: ' ' }, { OTEL_SERVICE_NAME: 'x' },
    { ...wanted, OTEL_SDK_DISABLED: 'true' }, { ...wanted, OTEL_SDK_DISABLED: 'TRUE' }, { ...wanted, OTEL_TRACES_EXPORTER: 'none' },
    { ...wanted, OTEL_TRACES_EXPORTER: 'console' }, { OTEL_EXPORTER_OTLP_ENDPOINT: 'x', OTEL_SDK_DISABLED: 'true' }
  ]
  for (const env of off) t.same(readTraceSettings(env), { kind: 'off' }, JSON.stringify(env))
  for (const more of [{ OTEL_SDK_DISABLED: 'false' }, { OTEL_SDK_DISABLED: '' }, { OTEL_TRACES_EXPORTER: 'console, otlp' }, { OTEL_TRACES_EXPORTER: '' }]) {
    t.same(readTraceSettings({ ...wanted, ...more }), on, JSON.stringify(more))
  }
})

t.test('what cannot be done as it is said is refused, by its name', async t => {
  const refused: Array<[Env, name: string]> = [
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'collector:4318' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ OTEL_EXPORTER_OTLP_ENDPOINT: 'http://' }, 'OTEL_EXPORTER_OTLP_ENDPOINT'],
    [{ ...wanted, OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: 'grpc://collector' }, 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'],
    [{ ...wanted, OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' }, 'OTEL_EXPORTER_OTLP_PROTOCOL'],
    [{ ...wanted, OTEL_EXPORTER_OTLP_PROTOCOL: 'http/protobuf', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/json' }, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL'],
    [{ ...wanted, OTEL_TRACES_SAMPLER: 'sometimes' }, 'OTEL_TRACES_SAMPLER'],
    [{ ...wanted, OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '10%' }, 'OTEL_TRACES_SAMPLER_ARG'],
    [{ ...wanted, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '1.1' }, 'OTEL_TRACES_SAMPLER_ARG']
  ]
  for (const [env, name] of refused) {
    const settings = readTraceSettings(env)
    t.match(settings, { kind: 'refused', why: new RegExp(`^${name} must be `) }, JSON.stringify(env))
  }
  for (const more of [
    { OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' }, { OTEL_TRACES_SAMPLER: 'always_off' },
    { OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.1' }, { OTEL_TRACES_SAMPLER: 'traceidratio' },
    { OTEL_TRACES_SAMPLER: 'always_on', OTEL_TRACES_SAMPLER_ARG: 'x' }
  ]) t.same(readTraceSettings({ ...wanted, ...more }), on, JSON.stringify(more))
})

t.test('no value is repeated: it may hold a password', async t => {
  const settings = readTraceSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: 'ftp://user:secret@collector' })
  t.equal(settings.kind, 'refused')
  t.notMatch(JSON.stringify(settings), 'secret')
})
