/**
 * This file counts on the way of every request: plain numbers, made into metrics when somebody asks for them. A metric of
 * prom-client sorts and joins its labels each time it counts.
 */
import type { Metric, Registry } from 'prom-client'

/** How often each combination of labels came. Looked up label by label, so that nothing is joined. */
export interface Counts<L extends readonly string[]> {
  add (...labels: L): void
  entries (): Array<readonly [labels: L, count: number]>
}

interface Node {
  count: number
  readonly next: Map<string, Node>
}

export function createCounts<L extends readonly string[]> (): Counts<L> {
  const root: Node = { count: 0, next: new Map() }

  function added (node: Node, label: string): Node {
    const next: Node = { count: 0, next: new Map() }
    node.next.set(label, next)
    return next
  }

  function entriesBelow (node: Node, labels: readonly string[]): Array<readonly [L, number]> {
    const own = node.count === 0 ? [] : [[labels as L, node.count] as const]
    return [...own, ...[...node.next].flatMap(([label, next]) => entriesBelow(next, [...labels, label]))]
  }

  return {
    add (...labels) {
      let node = root
      for (const label of labels) {
        node = node.next.get(label) ?? added(node, label)
      }
      node.count++
    },
    entries: () => entriesBelow(root, [])
  }
}

/** Seconds, by what they are not longer than. */
export interface Durations {
  observe (seconds: number): void
  /** As Prometheus has them: each bucket counts those before it too. */
  read (): DurationsRead
}

export interface DurationsRead {
  readonly buckets: ReadonlyArray<readonly [le: number | '+Inf', count: number]>
  readonly sum: number
  readonly count: number
}

/** @param bounds - upper bounds, ascending */
export function createDurations (bounds: readonly number[]): Durations {
  const counts = new Float64Array(bounds.length + 1)
  let sum = 0
  return {
    observe (seconds) {
      let i = 0
      while (i < bounds.length && seconds > bounds[i]!) i++
      counts[i]!++
      sum += seconds
    },
    read () {
      let count = 0
      const buckets = Array.from(counts, (own, i) => {
        count += own
        return [bounds[i] ?? '+Inf', count] as const
      })
      return { buckets, sum, count }
    }
  }
}

/** A counter whose numbers are kept in {@link Counts}. */
export interface CounterOf {
  readonly name: string
  readonly help: string
  readonly labelNames: readonly string[]
  readonly read: () => ReadonlyArray<readonly [labels: readonly string[], count: number]>
}

export function registerCounter (registry: Registry, { name, help, labelNames, read }: CounterOf): void {
  const labelled = (labels: readonly string[]): Labels => Object.fromEntries(labelNames.map((label, i) => [label, labels[i]!]))
  register(registry, { name, help, type: 'counter' }, () => read().map(([labels, value]) => ({ labels: labelled(labels), value })))
}

/** A histogram whose numbers are kept in {@link Durations}. */
export interface HistogramOf {
  readonly name: string
  readonly help: string
  readonly read: () => ReadonlyArray<readonly [labels: Labels, durations: Durations]>
}

export function registerHistogram (registry: Registry, { name, help, read }: HistogramOf): void {
  register(registry, { name, help, type: 'histogram' }, () => read().flatMap(([labels, durations]) => valuesOf(name, labels, durations)))
}

type Labels = Readonly<Record<string, string | number>>

interface Value {
  readonly metricName?: string
  readonly labels: Labels
  readonly value: number
}

/** A registry wants nothing of a metric but its name and, when it is asked, its values. */
function register (registry: Registry, about: Readonly<Record<'name' | 'help' | 'type', string>>, values: () => Value[]): void {
  const metric = { name: about.name, get: async () => ({ ...about, aggregator: 'sum', values: values() }) }
  registry.registerMetric(metric as unknown as Metric)
}

function valuesOf (name: string, labels: Labels, durations: Durations): Value[] {
  const { buckets, sum, count } = durations.read()
  return [
    ...buckets.map(([le, value]) => ({ metricName: `${name}_bucket`, labels: { le, ...labels }, value })),
    { metricName: `${name}_sum`, labels, value: sum },
    { metricName: `${name}_count`, labels, value: count }
  ]
}
