/** This file is `scopegate explain`: what the gateway would do with a request, without sending it. */
import { readFileSync } from 'node:fs'
import { resolve } from 'node:path'
import { formatProblem, loadConfig } from '../config/load.ts'
import { explain as explainRequest } from '../server/explain.ts'
import type { Claims } from '../session/session.ts'
import { createLog } from '../telemetry/log.ts'
import { configFile, readArguments } from './arguments.ts'
import type { Output } from './check.ts'
import { explanationText } from './explanation-text.ts'

const help = `scopegate explain METHOD URL

Tells which route takes the request and why, who may use it, which access token is injected, and what the upstream gets.
URL is a path at publicUrl, or an http(s) URL. Nothing is sent, and no gateway has to run.

  --as FILE      claims of an ID token as JSON: somebody who is signed in. Without it nobody is
  --json         for programs
  --config FILE  the gateway's config

Exit codes: 0 fine, 1 the config or the claims cannot be used, 2 wrong usage.
`

export interface ExplainOptions {
  /** What follows `explain`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
}

/** @returns the exit code: 0 whatever the answer is, 1 when there can be none, 2 for wrong usage */
export async function explain ({ args, env, out, err }: ExplainOptions): Promise<number> {
  const read = readArguments(args, { config: { type: 'string' }, as: { type: 'string' }, json: { type: 'boolean' } })
  if (read.kind === 'arguments' && read.values.help === true) {
    out.write(help)
    return 0
  }
  const [method, url, ...rest] = read.kind === 'arguments' ? read.positionals : []
  if (read.kind === 'wrong' || method === undefined || url === undefined || rest.length > 0) {
    err.write(`${read.kind === 'wrong' ? read.why : 'explain takes a method and a URL'}\n\n${help}`)
    return 2
  }
  const { config, as, json } = read.values
  const loaded = loadConfig({ file: configFile(config, env), env })
  if (loaded.kind === 'problems') {
    for (const problem of loaded.problems) err.write(`${formatProblem(problem)}\n`)
    return 1
  }
  const claims = as === undefined ? undefined : readClaims(resolve(as))
  if (claims?.kind === 'unusable') {
    err.write(`${as} ${claims.why}\n`)
    return 1
  }
  const explanation = await explainRequest(loaded.config, { method, url, claims: claims?.claims }, createLog('silent', { write () {} }))
  out.write(json === true ? `${JSON.stringify(explanation)}\n` : explanationText(explanation))
  return 0
}

type ReadClaims = { readonly kind: 'claims', readonly claims: Claims } | { readonly kind: 'unusable', readonly why: string }

function readClaims (file: string): ReadClaims {
  let value: unknown
  try {
    value = JSON.parse(readFileSync(file, 'utf8'))
  } catch (error) {
    return { kind: 'unusable', why: error instanceof SyntaxError ? 'is not JSON' : `cannot be read (${(error as NodeJS.ErrnoException).code})` }
  }
  const isObject = typeof value === 'object' && value !== null && !Array.isArray(value)
  return isObject ? { kind: 'claims', claims: value as Claims } : { kind: 'unusable', why: 'is no JSON object' }
}
