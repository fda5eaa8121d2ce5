/**
 * This file has Prometheus's own promtool go through what the alerts are for, a minute at a time: those that should fire do,
 * and no other.
 */
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { alerts, rulesFile } from '../support/monitoring.ts'

const promtool = '/usr/bin/promtool'
const minutes = 60
const of = (instance: string, more = ''): string => `{namespace="apps",job="gateway",instance="${instance}"${more}}`

/** Series -> what it is minute by minute: `a+bxn` grows by b. */
type Series = Readonly<Record<string, string>>

/** A replica that is well and has ten requests a second. */
function replica (instance: string): Series {
  const always = (value: number): string => `${value}x${minutes}`
  const growing = (by: number): string => `0+${by}x${minutes}`
  return {
    [`up${of(instance)}`]: always(1),
    [`scopegate_websocket_open${of(instance)}`]: always(2),
    [`scopegate_requests_total${of(instance, ',route="/*",method="GET",status="200"')}`]: growing(600),
    [`scopegate_requests_total${of(instance, ',route="/*",method="GET",status="500"')}`]: growing(10),
    [`scopegate_requests_total${of(instance, ',route="/api/*",method="GET",status="200"')}`]: growing(60),
    [`scopegate_requests_total${of(instance, ',route="/.auth/login",method="GET",status="302"')}`]: growing(5),
    [`scopegate_overhead_seconds_bucket${of(instance, ',le="0.001"')}`]: growing(590),
    [`scopegate_overhead_seconds_bucket${of(instance, ',le="0.5"')}`]: growing(600),
    [`scopegate_overhead_seconds_bucket${of(instance, ',le="2.5"')}`]: growing(600),
    [`scopegate_overhead_seconds_bucket${of(instance, ',le="+Inf"')}`]: growing(600),
    [`scopegate_overhead_seconds_count${of(instance)}`]: growing(600),
    [`scopegate_sign_ins_total${of(instance, ',outcome="ok"')}`]: growing(4),
    [`scopegate_sign_ins_total${of(instance, ',outcome="SG_SIGN_IN_MISMATCH"')}`]: growing(1),
    [`scopegate_store_operation_seconds_count${of(instance, ',operation="check",outcome="ok"')}`]: growing(60),
    [`scopegate_provider_request_seconds_count${of(instance, ',grant="refresh_token",outcome="ok"')}`]: growing(10),
    [`scopegate_provider_request_seconds_count${of(instance, ',grant="refresh_token",outcome="refused"')}`]: growing(2),
    [`scopegate_config_reloads_total${of(instance, ',outcome="refused"')}`]: always(0),
    [`scopegate_config_reloads_total${of(instance, ',outcome="ok"')}`]: `0x30 1x${minutes}`,
    [`scopegate_upstream_in_flight${of(instance, ',upstream="app"')}`]: always(20),
    [`nodejs_eventloop_lag_p99_seconds${of(instance)}`]: always(0.02),
    [`nodejs_gc_duration_seconds_sum${of(instance, ',kind="major"')}`]: growing(0.5),
    [`nodejs_active_resources${of(instance, ',type="TCPSocketWrap"')}`]: always(300),
    [`process_open_fds${of(instance)}`]: always(400),
    [`process_max_fds${of(instance)}`]: always(20_000),
    [`process_start_time_seconds${of(instance)}`]: `1000x30 2000x${minutes}`
  }
}

const well: Series = {
  ...replica('a'),
  ...replica('b'),
  // Another program, whose trouble is not ours.
  'up{job="other",instance="c"}': `0x${minutes}`,
  'nodejs_eventloop_lag_p99_seconds{job="other",instance="c"}': `3x${minutes}`,
  'process_open_fds{job="other",instance="c"}': `10x${minutes}`,
  'process_max_fds{job="other",instance="c"}': `10x${minutes}`
}

/** From the twentieth minute on. */
const later = (by: number): string => `0x20 ${by}+${by}x40`
const request = (route: string, status: number): string => `scopegate_requests_total${of('a', `,route="${route}",method="GET",status="${status}"`)}`
const signIns = (outcome: string): string => `scopegate_sign_ins_total${of('a', `,outcome="${outcome}"`)}`
const provider = (outcome: string): string => `scopegate_provider_request_seconds_count${of('a', `,grant="refresh_token",outcome="${outcome}"`)}`
const token = (outcome: string): string => `scopegate_token_requests_total${of('a', `,source="refresh",outcome="${outcome}"`)}`

interface Case {
  readonly what: string
  /** What is other than well. */
  readonly series: Series
  /** What is not there. */
  readonly without?: RegExp
  /** Alerts and their severity, within the hour. */
  readonly fires: readonly string[]
}

const cases: readonly Case[] = [
  { what: 'all is well', series: {}, fires: [] },
  { what: 'one request in twenty fails', series: { [request('/*', 503)]: later(65) }, fires: ['ScopegateErrorBudgetBurning critical', 'ScopegateErrorBudgetBurning warning'] },
  { what: 'one request in seventy fails', series: { [request('/*', 503)]: later(20) }, fires: ['ScopegateErrorBudgetBurning warning'] },
  { what: 'eight requests fail, of few', series: { [request('/*', 503)]: `0x55 8x${minutes}` }, without: /^scopegate_requests_total/, fires: [] },
  { what: 'the store fails at sign-ins', series: { [signIns('SG_STORE_UNAVAILABLE')]: later(20) }, fires: ['ScopegateSignInsFailing critical', 'ScopegateSignInsFailing warning'] },
  {
    what: 'sign-ins cannot begin',
    series: { [request('/.auth/login', 503)]: later(5) },
    without: /sign_ins_total/,
    fires: ['ScopegateSignInsFailing critical']
  },
  { what: 'a stranger plays with the callback', series: { [signIns('SG_SIGN_IN_MISMATCH')]: later(30) }, fires: ['ScopegateSignInsFailing warning'] },
  { what: 'a few sign-ins met a fault', series: { [signIns('SG_PROVIDER_UNAVAILABLE')]: later(2) }, fires: [] },
  { what: 'requests wait', series: { [`scopegate_overhead_seconds_bucket${of('a', ',le="0.5"')}`]: `0+500x${minutes}` }, fires: ['ScopegateOverheadHigh warning'] },
  { what: 'nothing is there', series: {}, without: /job="gateway"/, fires: ['ScopegateDown critical'] },
  {
    what: 'a replica is gone',
    series: { [`up${of('a')}`]: `1x20 0x${minutes}`, [`scopegate_websocket_open${of('a')}`]: '2x20 stale' },
    fires: ['ScopegateReplicaDown warning']
  },
  { what: 'a replica gets no requests', series: {}, without: /^scopegate_requests_total.*instance="a"/, fires: ['ScopegateReplicaIdle warning'] },
  { what: 'it is started again and again', series: { [`process_start_time_seconds${of('a')}`]: '0x20 1x5 2x5 3x40' }, fires: ['ScopegateRestarting warning'] },
  { what: 'the event loop is late', series: { [`nodejs_eventloop_lag_p99_seconds${of('a')}`]: `0.4x${minutes}` }, fires: ['ScopegateEventLoopSlow warning'] },
  { what: 'memory is short', series: { [`nodejs_gc_duration_seconds_sum${of('a', ',kind="major"')}`]: later(12) }, fires: ['ScopegateMemoryShort warning'] },
  { what: 'there are many connections', series: { [`nodejs_active_resources${of('a', ',type="TCPSocketWrap"')}`]: `8500x${minutes}` }, fires: ['ScopegateConnectionsHigh warning'] },
  { what: 'there are many descriptors', series: { [`process_open_fds${of('a')}`]: `17000x${minutes}` }, fires: ['ScopegateConnectionsHigh warning'] },
  { what: 'a config is refused, for the first time', series: { [`scopegate_config_reloads_total${of('a', ',outcome="refused"')}`]: `0x50 1x${minutes}` }, fires: ['ScopegateConfigRefused warning'] },
  {
    what: 'a store fails that nobody asks for anything',
    series: {
      [`scopegate_store_operation_seconds_count${of('a', ',operation="check",outcome="ok"')}`]: `0+60x20 1200x${minutes}`,
      [`scopegate_store_operation_seconds_count${of('a', ',operation="check",outcome="failed"')}`]: later(20)
    },
    fires: ['ScopegateStoreFailing critical']
  },
  { what: 'Entra does not answer', series: { [provider('sts_timeout')]: later(12) }, fires: ['ScopegateProviderFailing critical'] },
  { what: 'Entra throttles', series: { [provider('sts_throttled')]: later(1) }, fires: ['ScopegateProviderThrottled warning'] },
  { what: 'Entra refuses the gateway', series: { [token('SG_PROVIDER_MISCONFIGURED')]: later(1) }, fires: ['ScopegateProviderRefuses critical'] },
  {
    what: 'an application of one route is gone',
    series: { [request('/api/*', 502)]: later(40), [`scopegate_requests_total${of('a', ',route="/*",method="GET",status="200"')}`]: `0+60000x${minutes}` },
    fires: ['ScopegateUpstreamFailing warning']
  },
  { what: 'requests wait for an application', series: { [`scopegate_upstream_in_flight${of('a', ',upstream="app"')}`]: `200x${minutes}` }, fires: ['ScopegateUpstreamSaturated warning'] }
]

const folder = mkdtempSync(join(tmpdir(), 'scopegate-alerts-'))
t.teardown(() => { rmSync(folder, { recursive: true }) })

function run (t: Test, ...args: readonly string[]): void {
  const { status, stdout, stderr, error } = spawnSync(promtool, args, { encoding: 'utf8' })
  t.equal(status, 0, `${args.slice(0, 2).join(' ')}: ${error?.message ?? ''}${stdout}${stderr}`)
}

t.test('the rules are rules', async t => {
  run(t, 'check', 'rules', rulesFile)
})

t.test('what should fire does, and nothing else', async t => {
  for (const [i, { what, series, without, fires }] of cases.entries()) {
    const rest = Object.fromEntries(Object.entries(well).filter(([name]) => without?.test(name) !== true))
    const input = Object.entries({ ...rest, ...series })
    const expected = fires.map(one => one.split(' ')).map(([alert, severity]) => ({ labels: `{alertname="${alert}",severity="${severity}"}`, value: 1 }))
    const file = join(folder, `${i}.yaml`)
    // JSON is YAML.
    writeFileSync(file, JSON.stringify({
      rule_files: [rulesFile],
      evaluation_interval: '30s',
      tests: [{
        name: what,
        interval: '1m',
        input_series: input.map(([series, values]) => ({ series, values })),
        promql_expr_test: [{ expr: 'max by (alertname, severity) (ALERTS{alertstate="firing"})', eval_time: `${minutes - 1}m`, exp_samples: expected }]
      }]
    }))
    await t.test(what, async t => { run(t, 'test', 'rules', file) })
  }
})

t.test('each alert has its case', async t => {
  const covered = new Set(cases.flatMap(({ fires }) => fires))
  t.same(alerts.map(({ alert, labels }) => `${alert} ${labels.severity}`).filter(one => !covered.has(one)), [])
})
