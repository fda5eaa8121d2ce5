/** This file records every request with its parameters, so that a test can say "exactly one call". */
import { createHash } from 'node:crypto'

export interface RequestLogEntry {
  /** Counts up from 1; `since` of the admin API takes it. */
  readonly id: number
  /** By the emulator's clock. */
  readonly at: string
  readonly method: string
  readonly path: string
  /** Name of the endpoint: `token`, `authorize`, `jwks`, ...; `unknown` when no route matched. */
  readonly endpoint: string
  /** Query and form or JSON body together; secrets are masked. */
  readonly parameters: Readonly<Record<string, string>>
  status: number
  /** AADSTS code of the answer, when it was an error. */
  aadsts: number | null
}

export interface RequestLog {
  add (entry: Omit<RequestLogEntry, 'id' | 'parameters'>, parameters: Record<string, string>): RequestLogEntry
  /** Entries with a higher id than `since`. */
  list (since?: number): RequestLogEntry[]
  clear (): void
}

/** Older entries are dropped, so that an emulator left running does not grow. */
const CAPACITY = 10_000

export function createRequestLog (): RequestLog {
  let entries: RequestLogEntry[] = []
  let lastId = 0
  return {
    add: (entry, parameters) => {
      const added = { id: ++lastId, ...entry, parameters: maskSecrets(parameters) }
      entries.push(added)
      if (entries.length > CAPACITY) entries = entries.slice(-CAPACITY / 2)
      return added
    },
    list: (since = 0) => entries.filter(({ id }) => id > since),
    clear: () => { entries = [] }
  }
}

/** Guessable values: not even a hash of them may be shown. */
const HIDDEN = new Set(['password', 'client_secret'])
/** Long random values: a short hash still tells whether two requests sent the same one. */
const HASHED = new Set(['code', 'code_verifier', 'refresh_token', 'assertion', 'client_assertion', 'id_token_hint', 'access_token', 'flow'])

function maskSecrets (parameters: Record<string, string>): Record<string, string> {
  return Object.fromEntries(Object.entries(parameters).map(([name, value]) => [name, mask(name, value)]))
}

function mask (name: string, value: string): string {
  if (HIDDEN.has(name)) return '***'
  return HASHED.has(name) ? `sha256:${createHash('sha256').update(value).digest('hex').slice(0, 12)}` : value
}
