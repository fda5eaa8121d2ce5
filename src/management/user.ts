/** This file reads whose sessions are meant from the query of a request. */
import type { User } from '../session/session.ts'

const guid = '[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}'
const form = new RegExp(`^(${guid})/(${guid})$`)

/**
 * The user of `?user=<tid>/<oid>`, in lower case as the provider writes ids. A user that is named twice, beside anything
 * else or in another form is none: what ends sessions must not guess.
 *
 * @param url - the request's URL, path and query
 */
export function parseUser (url: string): User | undefined {
  const parameters = [...new URLSearchParams(queryOf(url))]
  const [[name, value = ''] = []] = parameters
  if (parameters.length !== 1 || name !== 'user') return undefined
  const [, tid, oid] = form.exec(value.toLowerCase()) ?? []
  return tid === undefined || oid === undefined ? undefined : { tid, oid }
}

/** What follows the first question mark. */
export function queryOf (url: string): string {
  const mark = url.indexOf('?')
  return mark < 0 ? '' : url.slice(mark + 1)
}
