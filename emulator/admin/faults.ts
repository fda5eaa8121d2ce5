/** This file keeps the one-shot faults: what the next matching requests get instead of, or on top of, an answer. */
import type { Aadsts } from '../errors/catalogue.ts'
import type { Forgery } from '../tokens/forge.ts'

export interface Fault {
  /** `token`, `authorize`, `metadata`, `jwks`, `instance`, `logout`, `userinfo`, `graph`, `demo-api`. */
  readonly endpoint: string
  /** Request parameters that must have these values, for instance `{ grant_type: 'refresh_token' }`. */
  readonly match?: Readonly<Record<string, string>>
  /** How many requests it meets; default 1. */
  readonly times?: number
  readonly delayMs?: number
  readonly status?: number
  /** A string is sent as it is, anything else as JSON. */
  readonly body?: unknown
  readonly headers?: Readonly<Record<string, string>>
  /** An error of the catalogue, in the form of the endpoint: JSON, redirect or page. */
  readonly aadsts?: Aadsts
  /** Claims request carried by that error. */
  readonly claims?: Record<string, unknown>
  /** Overrides the catalogue's suberror; null removes it. */
  readonly suberror?: string | null
  /** `hang`: never answers. `reset`: cuts the connection. `html`: an HTML page with `status` (503). */
  readonly action?: 'hang' | 'reset' | 'html'
  /** Token endpoint: laid over the JSON of the genuine answer; null removes a member. */
  readonly merge?: Readonly<Record<string, unknown>>
  /** Token endpoint: the ID token of the answer is forged. */
  readonly idToken?: Forgery
}

export interface Faults {
  add (fault: Fault): void
  /** The first fault that matches; counts as met. */
  take (endpoint: string, parameters: Readonly<Record<string, string>>): Fault | undefined
  list (): readonly Fault[]
  clear (): void
}

export function createFaults (): Faults {
  let pending: { fault: Fault, left: number }[] = []
  return {
    add: (fault) => { pending.push({ fault, left: fault.times ?? 1 }) },
    take: (endpoint, parameters) => {
      const found = pending.find(({ fault }) => isMatch(fault, endpoint, parameters))
      if (found === undefined) return undefined
      found.left -= 1
      pending = pending.filter(({ left }) => left > 0)
      return found.fault
    },
    list: () => pending.map(({ fault, left }) => ({ ...fault, times: left })),
    clear: () => { pending = [] }
  }
}

function isMatch (fault: Fault, endpoint: string, parameters: Readonly<Record<string, string>>): boolean {
  return fault.endpoint === endpoint && Object.entries(fault.match ?? {}).every(([name, value]) => parameters[name] === value)
}
