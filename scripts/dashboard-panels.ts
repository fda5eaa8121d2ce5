/** This file is the table of the dashboard's panels. */

export interface Panel {
  readonly kind: 'stat' | 'timeseries'
  readonly title: string
  readonly description: string
  /** As Grafana names it. */
  readonly unit: string
  /** Legend -> expression; `{{label}}` in a legend stands for the label's value. */
  readonly lines: Readonly<Record<string, string>>
  readonly stacked?: boolean
  /** From which value on a number is red: where its alert begins. */
  readonly bad?: number
}

type Row = { readonly title: string, readonly panels: readonly Panel[] }

const rate = (series: string): string => `rate(${series}[$__rate_interval])`
const sum = (by: string, expression: string): string => `sum by (${by}) (${expression})`
/** 0 where there is nothing yet, so that a number is there before the first of its kind. */
const orNone = (expression: string): string => `(${expression} or vector(0))`
const quantile = (q: number, by: string, buckets: string): string => `histogram_quantile(${q}, ${sum(by, rate(buckets))})`
const quantiles = (buckets: string): Record<string, string> =>
  ({ p50: quantile(0.5, 'le', buckets), p95: quantile(0.95, 'le', buckets), p99: quantile(0.99, 'le', buckets) })
/** Of the gateways only: other programs have these metrics, too. */
const ofGateways = (expression: string): string => `${expression} and on (job, instance) scopegate_websocket_open{@}`

const errors = 'scopegate_requests_total{@,status=~"50[234]"}'

export const panelRows: readonly Row[] = [
  {
    title: 'At a glance',
    panels: [
      { kind: 'stat', title: 'Replicas', description: 'Processes that can be scraped.', unit: 'none', lines: { replicas: 'count(scopegate_websocket_open{@})' } },
      { kind: 'stat', title: 'Requests', description: 'Answered requests a second.', unit: 'reqps', lines: { requests: `sum(${rate('scopegate_requests_total{@}')})` } },
      {
        kind: 'stat',
        title: 'Failing',
        description: 'Share of requests that end with 502, 503 or 504. The budget is 0.1 %; from 1.44 % on somebody is woken.',
        unit: 'percentunit',
        bad: 0.0144,
        lines: { failing: `${orNone(`sum(${rate(errors)})`)} / sum(${rate('scopegate_requests_total{@}')})` }
      },
      {
        kind: 'stat',
        title: 'Own time, p99',
        description: 'How long the slowest percent of requests waits before it reaches an application.',
        unit: 's',
        bad: 0.5,
        lines: { p99: quantile(0.99, 'le', 'scopegate_overhead_seconds_bucket{@}') }
      },
      {
        kind: 'stat',
        title: 'Sign-ins',
        description: 'Share of sign-ins that went well, in the last hour.',
        unit: 'percentunit',
        lines: { ok: 'sum(increase(scopegate_sign_ins_total{@,outcome="ok"}[1h])) / sum(increase(scopegate_sign_ins_total{@}[1h]))' }
      },
      { kind: 'stat', title: 'Open WebSockets', description: 'At all replicas.', unit: 'none', lines: { open: 'sum(scopegate_websocket_open{@})' } }
    ]
  },
  {
    title: 'Requests',
    panels: [
      {
        kind: 'timeseries',
        title: 'Answers by status',
        description: 'Of gateway and applications. The log says whose an answer was.',
        unit: 'reqps',
        stacked: true,
        lines: { '{{status}}': sum('status', rate('scopegate_requests_total{@}')) }
      },
      {
        kind: 'timeseries',
        title: 'Failing by route',
        description: '502: the application is not reached, or Entra refuses the gateway. 503: store, provider, or too many requests. 504: the application is too slow.',
        unit: 'reqps',
        lines: { '{{route}} {{status}}': sum('route, status', rate('scopegate_requests_total{@,status=~"5.."}')) }
      },
      {
        kind: 'timeseries',
        title: 'Refused by route',
        description: '401 and 403 without a session or access, 429 for who asks too often, 404 for what is no route.',
        unit: 'reqps',
        lines: { '{{route}} {{status}}': sum('route, status', rate('scopegate_requests_total{@,status=~"4.."}')) }
      }
    ]
  },
  {
    title: 'Time',
    panels: [
      {
        kind: 'timeseries',
        title: "The gateway's own time",
        description: 'From the arrival of a request to its being handed to the application.',
        unit: 's',
        lines: quantiles('scopegate_overhead_seconds_bucket{@}')
      },
      {
        kind: 'timeseries',
        title: 'Whole requests',
        description: 'From the arrival of a request to the end of its answer, the application included.',
        unit: 's',
        lines: quantiles('scopegate_request_duration_seconds_bucket{@}')
      },
      {
        kind: 'timeseries',
        title: 'Whole requests by route, p95',
        description: 'Which application is slow.',
        unit: 's',
        lines: { '{{route}}': quantile(0.95, 'route, le', 'scopegate_request_duration_seconds_bucket{@}') }
      }
    ]
  },
  {
    title: 'Sign-ins and tokens',
    panels: [
      {
        kind: 'timeseries',
        title: 'Sign-ins by outcome',
        description: 'ok, or the code that the user saw.',
        unit: 'reqps',
        lines: { '{{outcome}}': sum('outcome', rate('scopegate_sign_ins_total{@}')), begun: `sum(${rate('scopegate_requests_total{@,route=~"/[.]auth/login.*",status="302"}')})` }
      },
      {
        kind: 'timeseries',
        title: 'Tokens by where they came from',
        description: "ready: memory; cache: the account's record; refresh: Entra, while the request waited; interactive: a sign-in.",
        unit: 'reqps',
        stacked: true,
        lines: { '{{source}}': sum('source', rate('scopegate_token_requests_total{@,outcome="ok"}')) }
      },
      {
        kind: 'timeseries',
        title: 'Requests without a token',
        description: 'Why: a sign-in is needed, or a fault.',
        unit: 'reqps',
        lines: { '{{outcome}}': sum('outcome', rate('scopegate_token_requests_total{@,outcome!="ok"}')) }
      },
      {
        kind: 'timeseries',
        title: 'Sessions that ended before their time',
        description: "By the user, the provider, an administrator, or the end of the provider's grant.",
        unit: 'reqps',
        lines: { '{{reason}}': sum('reason', rate('scopegate_sessions_ended_total{@}')) }
      }
    ]
  },
  {
    title: 'Entra',
    panels: [
      {
        kind: 'timeseries',
        title: 'Requests to Entra',
        description: 'By OAuth grant; document: metadata and keys; json: Microsoft Graph. refused: an OAuth error, such as consent that is missing.',
        unit: 'reqps',
        lines: { '{{grant}} {{outcome}}': sum('grant, outcome', rate('scopegate_provider_request_seconds_count{@}')) }
      },
      {
        kind: 'timeseries',
        title: 'Time of requests to Entra, p95',
        description: 'Retries included.',
        unit: 's',
        lines: { '{{grant}}': quantile(0.95, 'grant, le', 'scopegate_provider_request_seconds_bucket{@}') }
      }
    ]
  },
  {
    title: 'Store',
    panels: [
      {
        kind: 'timeseries',
        title: 'Operations of the store',
        description: 'check: looks whether a shared store is there, every second.',
        unit: 'ops',
        lines: { '{{operation}}': sum('operation', rate('scopegate_store_operation_seconds_count{@}')) }
      },
      {
        kind: 'timeseries',
        title: 'Failed operations of the store',
        description: 'Users get 503 SG_STORE_UNAVAILABLE. Nobody is signed out.',
        unit: 'ops',
        lines: { '{{operation}}': sum('operation', rate('scopegate_store_operation_seconds_count{@,outcome="failed"}')) }
      },
      {
        kind: 'timeseries',
        title: 'Time of operations of the store, p99',
        description: 'lock: waiting for it included.',
        unit: 's',
        lines: { '{{operation}}': quantile(0.99, 'operation, le', 'scopegate_store_operation_seconds_bucket{@}') }
      }
    ]
  },
  {
    title: 'Applications',
    panels: [
      {
        kind: 'timeseries',
        title: 'Requests under way',
        description: 'At each upstream, of the busiest replica. Above 128 they wait for a connection, above 384 they get 503.',
        unit: 'none',
        lines: { '{{upstream}}': 'max by (upstream) (scopegate_upstream_in_flight{@})' }
      },
      { kind: 'timeseries', title: 'WebSockets', description: 'Open ones by replica.', unit: 'none', lines: { '{{instance}}': 'scopegate_websocket_open{@}' } }
    ]
  },
  {
    title: 'Processes',
    panels: [
      {
        kind: 'timeseries',
        title: 'Processor',
        description: 'Of one core. A process serves from one, and is at its end close to 1.',
        unit: 'percentunit',
        lines: { '{{instance}}': ofGateways(rate('process_cpu_seconds_total{@}')) }
      },
      {
        kind: 'timeseries',
        title: 'Memory',
        description: 'Of the whole process, and of JavaScript.',
        unit: 'bytes',
        lines: {
          '{{instance}}': ofGateways('process_resident_memory_bytes{@}'),
          '{{instance}} heap': ofGateways('nodejs_heap_size_used_bytes{@}')
        }
      },
      {
        kind: 'timeseries',
        title: 'Time spent on looking for memory',
        description: 'Garbage collections, as a share of the time. Above 10 % of major ones the heap is nearly full.',
        unit: 'percentunit',
        lines: { '{{instance}} {{kind}}': ofGateways(sum('job, instance, kind', rate('nodejs_gc_duration_seconds_sum{@}'))) }
      },
      {
        kind: 'timeseries',
        title: 'Event loop, p99',
        description: 'How late the process comes to what it has to do. 0.01 s is nothing: so long are its looks apart.',
        unit: 's',
        lines: { '{{instance}}': ofGateways('nodejs_eventloop_lag_p99_seconds{@}') }
      }
    ]
  },
  {
    title: 'Limits and changes',
    panels: [
      {
        kind: 'timeseries',
        title: 'Connections and descriptors',
        description: 'Connections of clients and to applications, and descriptors, of which the system allows so many as `ulimit -n` says.',
        unit: 'none',
        lines: {
          '{{instance}} connections': ofGateways('nodejs_active_resources{@,type="TCPSocketWrap"}'),
          '{{instance}} descriptors': ofGateways('process_open_fds{@}')
        }
      },
      {
        kind: 'timeseries',
        title: 'Configs',
        description: 'That took over (ok) or were refused, within ten minutes.',
        unit: 'none',
        lines: { '{{instance}} {{outcome}}': 'increase(scopegate_config_reloads_total{@}[10m])' }
      },
      {
        kind: 'timeseries',
        title: 'Starts',
        description: 'Within an hour.',
        unit: 'none',
        lines: { '{{instance}}': ofGateways('changes(process_start_time_seconds{@}[1h])') }
      }
    ]
  }
]
