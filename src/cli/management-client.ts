/** This file asks the management listener of a running gateway for something, and says what to mend when that fails. */
import type { Place } from './management-place.ts'

/** What to ask for. */
export interface Wish {
  readonly method: 'GET' | 'DELETE'
  /** Path and query at the listener. */
  readonly target: string
  /** Whom or what it is about, for people. */
  readonly subject: string
}

export type Answer =
  | { readonly kind: 'json', readonly value: Readonly<Record<string, unknown>> }
  | { readonly kind: 'failed', readonly why: string }

const timeoutMs = 10_000

/** Never throws. What the answer holds is not looked at. */
export async function ask (place: Place, wish: Wish): Promise<Answer> {
  const { origin, token } = place
  try {
    const response = await fetch(new URL(wish.target, origin), {
      method: wish.method,
      headers: { authorization: `Bearer ${token}` },
      // A listener has no reason to send the token anywhere else.
      redirect: 'error',
      signal: AbortSignal.timeout(timeoutMs)
    })
    // Read in any case: a body that waits to be read keeps the process from ending.
    const text = await response.text()
    const value: unknown = response.ok ? JSON.parse(text) : undefined
    if (typeof value === 'object' && value !== null) return { kind: 'json', value: { ...value } }
    return { kind: 'failed', why: refusal(response.status, place, wish) }
  } catch (error) {
    const why = error instanceof SyntaxError ? notOurs(origin) : `${origin} cannot be reached (${codeOf(error)}): is the gateway running, and does it listen there?`
    return { kind: 'failed', why }
  }
}

function refusal (status: number, { origin, tokenFile }: Place, { target, subject }: Wish): string {
  if (status === 401) return `${origin} refused the token in ${tokenFile}: is that the file that this gateway reads?`
  if (status === 503) return 'the session store does not answer, so it is not known what has ended: try again'
  if (status !== 404) return notOurs(origin)
  const isOfUser = target.startsWith('/sessions?')
  return isOfUser ? `${origin} has no /sessions: the gateway needs server.management.tokenFile` : `there is no session ${subject}: it has ended`
}

function notOurs (origin: string): string {
  return `${origin} gave an answer that is none of a management listener: is this its address?`
}

/** The system's code where there is one: fetch wraps what went wrong. */
function codeOf (error: unknown): string {
  if (!(error instanceof Error)) return 'unknown'
  const { cause } = error
  return typeof cause === 'object' && cause !== null && 'code' in cause ? String(cause.code) : error.name
}
