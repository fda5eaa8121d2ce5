/** This file takes away the names of upstreams: connections that are there go on, and everything heals when names are back. */
import dns from 'node:dns'
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

type Answered = (error: NodeJS.ErrnoException | null, address?: unknown, family?: number) => void

const name = 'app.names.test'
let isThere = true
const { lookup } = dns

/** Node asks `dns.lookup` for every connection; here it knows one name more. */
function lookupHere (host: string, options: { all?: boolean }, answered: Answered): void {
  if (host !== name) {
    (lookup as Function)(host, options, answered)
  } else if (!isThere) {
    answered(Object.assign(new Error(`getaddrinfo EAI_AGAIN ${host}`), { code: 'EAI_AGAIN' }))
  } else if (options.all === true) {
    answered(null, [{ address: '127.0.0.1', family: 4 }])
  } else {
    answered(null, '127.0.0.1', 4)
  }
}

Object.assign(dns, { lookup: lookupHere })
t.teardown(() => { Object.assign(dns, { lookup }) })

t.test('C13.6 names that do not resolve end no connection that is there, are 502 for a new one, and heal by themselves', async t => {
  const app = await startUpstream(t)
  const gateway = await startGateway(t, {
    upstreams: { app: { url: `http://${name}:${app.port}` } },
    routes: [{ path: '/*', upstream: 'app', access: 'public' }]
  })
  const ask = async () => await exchange(t, gateway.port, { target: '/x' })
  t.equal((await ask()).status, 200)
  isThere = false
  for (let i = 0; i < 20; i++) t.equal((await ask()).status, 200, 'on the connection that is there')
  const many = await Promise.all(Array.from({ length: 10 }, ask))
  const statuses = new Set(many.map(({ status }) => status))
  t.ok(statuses.has(502), 'more connections cannot be made')
  t.notOk([...statuses].some(status => ![200, 502].includes(status)), [...statuses].join())
  const refused = many.find(({ status }) => status === 502)
  t.equal(refused?.header('scopegate-error'), 'SG_UPSTREAM_UNREACHABLE')
  t.notMatch(refused?.text(), /EAI|names\.test/)
  isThere = true
  for (const { status } of await Promise.all(Array.from({ length: 10 }, ask))) t.equal(status, 200)
})
