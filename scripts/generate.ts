/** This file writes the generated files; with --check it compares them and ends with 1 when one is not up to date. */
import { readFileSync, writeFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { generateFiles } from '../src/config/document.ts'
import { dashboardFile, renderDashboard } from './dashboard.ts'
import { errorsPage, readErrors, renderErrors } from './entra-errors.ts'
import { casesPage, findClaims, readCases, renderCases } from './security-cases.ts'

const root = resolve(import.meta.dirname, '../..') // from dist/scripts
const isCheck = process.argv.includes('--check')
const cases = renderCases(readCases(root), findClaims(root))
const pages = [[casesPage, cases], [errorsPage, renderErrors(readErrors(root))], [dashboardFile, renderDashboard()]] as const

for (const [path, text] of [...generateFiles(), ...pages]) {
  const file = resolve(root, path)
  if (!isCheck) {
    writeFileSync(file, text)
  } else if (read(file) !== text) {
    console.error(`${path} is not up to date: run npm run generate`)
    process.exitCode = 1
  }
}

function read (file: string): string | undefined {
  try {
    return readFileSync(file, 'utf8')
  } catch {
    return undefined
  }
}
