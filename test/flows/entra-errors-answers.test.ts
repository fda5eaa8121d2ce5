/**
 * This file makes Entra refuse exchanges of API clients' tokens and tokens of the gateway's own with the errors of
 * test/flows/entra-errors.yaml, and looks at what the client gets and what the log says.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Aadsts } from '../../emulator/errors/catalogue.ts'
import { type Answer, readErrors } from '../../scripts/entra-errors.ts'
import { call, claimsOf, userToken } from '../support/api-client.ts'
import { startEntra, startGateway } from '../support/gateway.ts'
import type { RawAnswer } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

const { errors, answers } = readErrors(join(import.meta.dirname, '../..'))
const claims = { access_token: { capolids: { essential: true, values: ['88888888-8888-4888-8888-888888888881'] } } }
const places = { exchange: 'urn:ietf:params:oauth:grant-type:jwt-bearer', app: 'client_credentials' } as const
const entra = await startEntra(t)
const upstream = await startUpstream(t)

interface Refused {
  readonly answer: RawAnswer
  /** What was logged. */
  readonly lines: any[]
}

/** A gateway per case: it remembers for a while what it was refused. */
async function refused (t: Test, place: keyof typeof places, aadsts: number): Promise<Refused> {
  const gateway = await startGateway(t, {
    emulator: entra,
    upstreams: { app: { url: upstream.origin } },
    routes: [
      { path: '/exchange/*', upstream: 'app', scopes: ['api://orders/Orders.Read'] },
      { path: '/app/*', upstream: 'app', token: 'app', scopes: ['api://orders/.default'] }
    ]
  })
  const token = await userToken(entra)
  entra.admin.clearFaults()
  entra.admin.fault({ endpoint: 'token', aadsts: aadsts as Aadsts, match: { grant_type: places[place] }, claims })
  const answer = await call(t, gateway.port, `/${place}/x`, { token })
  const lines = gateway.logged().split('\n').filter(line => line !== '').map(line => JSON.parse(line))
  return { answer, lines }
}

function check (t: Test, { answer, lines }: Refused, { status, code, challenge }: Answer, aadsts: number): void {
  t.equal(answer.status, status)
  t.equal(answer.header('scopegate-error'), code)
  const authenticate = answer.header('www-authenticate')
  if (challenge === undefined) t.equal(authenticate, undefined)
  else t.match(authenticate, `error="${challenge}"`)
  if (challenge === 'insufficient_claims') t.same(claimsOf(answer), claims, 'the claims that Entra wants')
  t.equal(answer.json().loginUrl, undefined, 'never sent to a sign-in')
  if (status === 503) t.match(answer.header('retry-after'), /^\d+$/)
  t.notMatch(answer.text(), /AADSTS/)
  // An answer of 5xx is not looked into.
  const number = status === 503 ? /AADSTS|StsError sts_/ : new RegExp(`AADSTS${aadsts}`)
  t.ok(lines.some(({ cause }) => number.test(String(cause))), 'the log has the number')
}

for (const error of errors) {
  for (const place of ['exchange', 'app'] as const) {
    const name = error[place]
    if (name === undefined) continue
    t.test(`C12.5 ${error.aadsts} ${place}: ${error.meaning}`, async t => {
      const before = upstream.seen.length
      check(t, await refused(t, place, error.aadsts), answers[name]!, error.aadsts)
      t.equal(upstream.seen.length, before, 'the upstream was not reached')
    })
  }
}

t.test('every answer is used', async t => {
  const used = new Set(errors.flatMap(({ exchange, app }) => [exchange, app]).filter(name => name !== undefined))
  t.same([...used].sort(), Object.keys(answers).sort())
})
