/**
 * This file makes the Grafana dashboard out of a table: what each panel shows, and the expressions of its lines. In them `@`
 * stands for the replicas that were chosen at the top of the dashboard.
 */
import { panelRows, type Panel } from './dashboard-panels.ts'

export const dashboardFile = 'helm/monitoring/dashboard.json'

const datasource = { type: 'prometheus', uid: '$datasource' }
const columns = 24
const headingHeight = 1
const heights = { stat: 4, timeseries: 8 }

export function renderDashboard (): string {
  return `${JSON.stringify(dashboard(), null, 2)}\n`
}

function dashboard (): object {
  return {
    uid: 'scopegate',
    title: 'scopegate',
    description: 'The gateway as its users see it, what it depends on, and its processes. Alerts: docs/runbook.md.',
    tags: ['scopegate'],
    schemaVersion: 39,
    editable: true,
    graphTooltip: 1,
    refresh: '30s',
    time: { from: 'now-3h', to: 'now' },
    timezone: 'browser',
    templating: { list: [source, variable('job', 'scopegate_websocket_open'), variable('instance', 'scopegate_websocket_open{job=~"$job"}')] },
    panels: placed()
  }
}

const source = { name: 'datasource', label: 'Data source', type: 'datasource', query: 'prometheus' }

function variable (name: string, series: string): object {
  const query = `label_values(${series}, ${name})`
  const all = { includeAll: true, allValue: '.*', multi: true, current: { text: 'All', value: ['$__all'] } }
  return { name, label: name, type: 'query', datasource, query: { query, refId: name }, definition: query, refresh: 2, sort: 1, ...all }
}

/** Rows from top to bottom, the panels of each side by side. */
function placed (): object[] {
  const panels: object[] = []
  let y = 0
  for (const { title, panels: inRow } of panelRows) {
    panels.push({ id: panels.length + 1, type: 'row', title, collapsed: false, panels: [], gridPos: { x: 0, y, w: columns, h: headingHeight } })
    y += headingHeight
    const w = columns / inRow.length
    const h = Math.max(...inRow.map(({ kind }) => heights[kind]))
    inRow.forEach((panel, i) => { panels.push({ id: panels.length + 1, ...described(panel), gridPos: { x: i * w, y, w, h } }) })
    y += h
  }
  return panels
}

function described ({ kind, title, description, unit, lines, stacked = false, bad }: Panel): object {
  const custom = kind === 'stat' ? {} : { custom: { fillOpacity: stacked ? 30 : 5, lineWidth: 1, showPoints: 'never', stacking: { mode: stacked ? 'normal' : 'none' } } }
  const thresholds = { mode: 'absolute', steps: [{ color: 'green', value: null }, ...(bad === undefined ? [] : [{ color: 'red', value: bad }])] }
  return {
    type: kind,
    title,
    description,
    datasource,
    fieldConfig: { defaults: { unit, min: 0, ...custom, thresholds }, overrides: [] },
    options: kind === 'stat'
      ? { reduceOptions: { calcs: ['lastNotNull'], fields: '', values: false }, graphMode: 'area', colorMode: 'value' }
      : { legend: { displayMode: 'list', placement: 'bottom', showLegend: true }, tooltip: { mode: 'multi', sort: 'desc' } },
    targets: Object.entries(lines).map(([legendFormat, expr], i) => ({
      refId: String.fromCharCode(65 + i), datasource, expr: expr.replaceAll('@', 'job=~"$job",instance=~"$instance"'), legendFormat
    }))
  }
}
