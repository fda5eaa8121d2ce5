/** This file writes what was found: a table for people, JSON for programs. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { chart } from './chart.ts'
import type { Machine } from './machine.ts'
import { type Figure, type Findings, isMet, type Row } from './result.ts'

export function tableOf ({ rows, figures }: Findings): string {
  const lines = [['scenario', 'what', 'measured', 'bar', 'stretch', ''], ...rows.map(rowTexts)]
  const who = [['scenario', 'who', 'per second', 'p50 ms', 'p99 ms', 'processor µs', 'system µs'], ...figures.map(figureTexts)]
  return `${aligned(lines)}\n\nMedians:\n${aligned(who)}\n`
}

function rowTexts (row: Row): string[] {
  const { scenario, what, value, unit, bar } = row
  const { atLeast, atMost, stretch } = bar ?? {}
  const limit = atLeast !== undefined && atLeast === atMost ? `${atLeast}` : atLeast !== undefined ? `>= ${atLeast}` : atMost !== undefined ? `<= ${atMost}` : ''
  return [scenario, what, `${value.toFixed(2)} ${unit}`, limit, stretch === undefined ? '' : String(stretch), isMet(row) ? '' : 'NOT MET']
}

function figureTexts ({ scenario, who, perSecond, p50Ms, p99Ms, micros, systemMicros }: Figure): string[] {
  const rate = perSecond === undefined ? '' : Math.round(perSecond).toLocaleString('en')
  return [scenario, who, rate, ...[p50Ms, p99Ms].map(ms => ms?.toFixed(2) ?? ''), ...[micros, systemMicros].map(us => us?.toFixed(0) ?? '')]
}

function aligned (lines: readonly string[][]): string {
  const widths = lines[0]!.map((_, column) => Math.max(...lines.map(line => line[column]!.length)))
  return lines.map(line => line.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()).join('\n')
}

/** Into `folder`: NAME.json and NAME.svg. */
export function writeResults (folder: string, name: string, machine: Machine, findings: Findings): void {
  mkdirSync(folder, { recursive: true })
  const { cores, model, system, node, isPinned } = machine
  const json = { at: new Date().toISOString(), machine: { cores, model, system, node, isPinned }, ...findings }
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(json, null, 2)}\n`)
  writeFileSync(join(folder, `${name}.svg`), chart(findings.figures))
}
