/** This file reads open-redirects.txt, a list of return addresses that try to lead elsewhere. Its head says how it is written. */
import { readFileSync } from 'node:fs'
import { readQuery } from '../../src/auth/query.ts'

const lines = readFileSync(new URL('open-redirects.txt', import.meta.url), 'utf8').split('\n').slice(0, -1)

/** As they stand in the query of a request. */
export const payloads: readonly string[] = lines.filter(line => !line.startsWith('# '))

/** What an endpoint reads out of a query with this payload. */
export function valueOf (payload: string): unknown {
  return readQuery(`/.auth/login?post_login_redirect_uri=${payload}`)('post_login_redirect_uri')
}
