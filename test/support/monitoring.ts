/** This file reads what Prometheus and Grafana are given: the rules and the dashboard of helm/monitoring. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { parse } from 'yaml'

const folder = join(import.meta.dirname, '../../helm/monitoring')
export const rulesFile = join(folder, 'rules.yaml')

export interface Alert {
  readonly alert: string
  readonly expr: string
  readonly for?: string
  readonly labels: Readonly<Record<string, string>>
  readonly annotations: Readonly<Record<string, string>>
}

export interface Recording {
  readonly record: string
  readonly expr: string
}

export interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly description?: string
  readonly targets?: ReadonlyArray<{ readonly expr: string, readonly legendFormat: string }>
  readonly gridPos: Readonly<Record<'x' | 'y' | 'w' | 'h', number>>
}

const rules: ReadonlyArray<Alert | Recording> =
  parse(readFileSync(rulesFile, 'utf8')).groups.flatMap(({ rules }: { rules: ReadonlyArray<Alert | Recording> }) => rules)
const dashboard = JSON.parse(readFileSync(join(folder, 'dashboard.json'), 'utf8'))

export const alerts = rules.filter(rule => 'alert' in rule)
export const recordings = rules.filter(rule => 'record' in rule)
export const panels: readonly Panel[] = dashboard.panels
/** Queries that fill the choices at the top of the dashboard. */
export const variableQueries: readonly string[] =
  dashboard.templating.list.flatMap(({ definition }: { definition?: string }) => definition ?? [])
