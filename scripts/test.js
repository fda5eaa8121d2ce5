/**
 * This file runs the tests: `npm test`, or `npm test -- FILE...` for some of them.
 *
 * All of them also have to cover 95 % of the lines of src/. The last line is `N passed, N failed`.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { ensureServices } from './services.js'

const root = join(import.meta.dirname, '..')
const results = join(root, 'coverage', 'results.tap')
const wantedLines = 95

function run (command, args, env = {}) {
  return spawnSync(command, args, { cwd: root, stdio: 'inherit', env: { ...process.env, ...env } }).status ?? 1
}

/** The totals that tap writes under its results. */
function countResults () {
  const text = readFileSync(results, 'utf8')
  const [, fields = ''] = /^# \{ (total: .*) \}$/m.exec(text.slice(text.lastIndexOf('\n# { total'))) ?? []
  const { pass = 0, fail = 0 } = Object.fromEntries(fields.split(', ').map(field => field.split(': ').map((part, i) => i === 0 ? part : Number(part))))
  return { pass, fail }
}

/**
 * What failed, with tap's diagnostics, once more: among tens of thousands of lines nobody finds it. Assertions come before the
 * tests and files that they are in.
 */
function failures () {
  const lines = readFileSync(results, 'utf8').split('\n')
  return lines.flatMap((line, at) => /^\s*not ok /.test(line) ? [line, ...diagnosticsAt(lines, at + 1)] : [])
}

/** The YAML block of a failed assertion, if there is one. */
function diagnosticsAt (lines, start) {
  if (lines[start]?.trim() !== '---') return []
  return lines.slice(start, lines.findIndex((line, at) => at > start && line.trim() === '...') + 1)
}

/** Line coverage of src/ in per cent. */
function coveredLines () {
  const summary = JSON.parse(readFileSync(join(root, '.tap', 'report', 'coverage-summary.json'), 'utf8'))
  const files = Object.entries(summary).filter(([path]) => path.startsWith(join(root, 'src/'))).map(([, { lines }]) => lines)
  const sum = key => files.reduce((total, lines) => total + lines[key], 0)
  return Math.floor(1000 * sum('covered') / sum('total')) / 10
}

const files = process.argv.slice(2)
const isWhole = files.length === 0
ensureServices()
if (run('npx', ['tsc', '-p', 'tsconfig.build.json']) !== 0) process.exit(1)
rmSync(join(root, 'coverage'), { recursive: true, force: true })
mkdirSync(join(root, 'coverage'))
const coverage = isWhole ? ['--coverage-report=json-summary', '--coverage-report=text-summary'] : ['--disable-coverage']
const options = [process.env.NODE_OPTIONS, `--import=${new URL('typescript.js', import.meta.url).href}`].filter(Boolean).join(' ')
let failed = run('npx', ['tap', 'run', `--output-file=${results}`, ...coverage, ...files], { NODE_OPTIONS: options }) !== 0
if (isWhole) {
  const lines = coveredLines()
  console.log(`${lines} % of the lines of src/ are covered on Node ${process.version}, wanted are ${wantedLines} %`)
  failed ||= lines < wantedLines
}
if (failed) console.log(['', 'What failed:', ...failures()].join('\n'))
const { pass, fail } = countResults()
console.log(`${pass} passed, ${failed ? Math.max(fail, 1) : fail} failed`)
process.exitCode = failed ? 1 : 0
