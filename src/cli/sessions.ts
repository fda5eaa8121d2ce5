/** This file is `scopegate sessions`: lists and ends sessions through the management listener of a running gateway. */
import { parseUser } from '../management/user.ts'
import { isRecordKey } from '../session/ids.ts'
import { configFile, readArguments } from './arguments.ts'
import type { Output } from './check.ts'
import { ask, type Wish } from './management-client.ts'
import { findPlace } from './management-place.ts'

const help = `scopegate sessions list USER
scopegate sessions revoke USER
scopegate sessions revoke --session ID

Talks to the management listener of a running gateway. USER is a tenant ID and an object ID: <tid>/<oid>. ID is one that
the list shows. What is revoked has ended at all replicas within a second; with a user's last session the tokens go too.

  --config FILE      the gateway's config, which says where the listener and its token are
  --url URL          the listener, where the config does not say or is not at hand: http://127.0.0.1:9090
  --token-file FILE  the token, likewise
  --json             what the gateway answered, for programs

Exit codes: 0 fine, 1 could not be done, 2 wrong usage.
`

export interface SessionsOptions {
  /** What follows `sessions`. */
  readonly args: readonly string[]
  readonly env: Readonly<Record<string, string | undefined>>
  readonly out: Output
  readonly err: Output
}

const options = {
  config: { type: 'string' }, url: { type: 'string' }, 'token-file': { type: 'string' }, session: { type: 'string' }, json: { type: 'boolean' }
} as const

/** What of the arguments says what is wanted. */
interface Wanted {
  readonly positionals: readonly string[]
  readonly values: { readonly session?: string | undefined, readonly url?: string | undefined }
}

/** @returns the exit code: 0 when it was done, 1 when it could not be, 2 for wrong usage */
export async function sessions ({ args, env, out, err }: SessionsOptions): Promise<number> {
  const read = readArguments(args, options)
  if (read.kind === 'arguments' && read.values.help === true) {
    out.write(help)
    return 0
  }
  const wish = read.kind === 'arguments' ? wishOf(read) : undefined
  if (read.kind === 'wrong' || wish === undefined) {
    err.write(`${read.kind === 'wrong' ? read.why : 'sessions does not take that'}\n\n${help}`)
    return 2
  }
  const { config, url, 'token-file': tokenFile, json } = read.values
  const found = findPlace({ file: configFile(config, env), env, url, tokenFile })
  if (found.kind === 'problems') {
    for (const line of found.lines) err.write(`${line}\n`)
    return 1
  }
  const answer = await ask(found, wish)
  if (answer.kind === 'failed') {
    err.write(`${answer.why}\n`)
    return 1
  }
  out.write(json === true ? `${JSON.stringify(answer.value)}\n` : textOf(wish, answer.value))
  return 0
}

/** An address and nothing behind it: whatever else it had would be lost. */
function isOrigin (text: string): boolean {
  if (!URL.canParse(text)) return false
  const { protocol, origin, href } = new URL(text)
  return /^https?:$/.test(protocol) && href === `${origin}/`
}

/** Exactly one of a user and a session, and only of the right form: what ends sessions must not guess. */
function wishOf ({ positionals, values: { session, url } }: Wanted): Wish | undefined {
  if (url !== undefined && !isOrigin(url)) return undefined
  const [verb, ...names] = positionals
  const method = verb === 'list' ? 'GET' : verb === 'revoke' ? 'DELETE' : undefined
  if (method === undefined || names.length + (session === undefined ? 0 : 1) !== 1) return undefined
  if (session !== undefined) {
    const isGood = method === 'DELETE' && isRecordKey(session)
    return isGood ? { method, target: `/sessions/${encodeURIComponent(session)}`, subject: session } : undefined
  }
  const query = `?${new URLSearchParams({ user: names[0]! })}`
  return parseUser(query) === undefined ? undefined : { method, target: `/sessions${query}`, subject: names[0]! }
}

function textOf ({ method, subject }: Wish, { ended, nameInLog, sessions }: Record<string, unknown>): string {
  if (method === 'DELETE') return ended === 0 ? `${subject} had no session\n` : `ended ${ended} session${ended === 1 ? '' : 's'}\n`
  const table = Array.isArray(sessions) && sessions.length > 0 ? tableOf(sessions) : `${subject} has no session\n`
  return `${table}In the log this user is ${nameInLog}\n`
}

function tableOf (sessions: ReadonlyArray<Record<string, unknown>>): string {
  const columns = ['id', 'createdAt', 'idleEndsAt', 'absoluteEndsAt']
  const rows = sessions.map(session => columns.map(column => String(session[column])))
  const lines = [['session', 'since', 'ends if not used', 'ends'], ...rows]
  const widths = columns.map((_name, column) => Math.max(...lines.map(cells => cells[column]!.length)))
  return lines.map(cells => `${cells.map((text, column) => text.padEnd(widths[column]!)).join('  ').trimEnd()}\n`).join('')
}
