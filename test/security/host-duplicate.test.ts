/**
 * X8: two Host fields were accepted, the first won. A gateway and a backend that pick differently route differently.
 */
import t from 'tap'
import { startGateway } from '../support/gateway.ts'
import { exchange } from '../support/raw.ts'
import { startUpstream } from '../support/upstream.ts'

const app = await startUpstream(t)
const gateway = await startGateway(t, {
  upstreams: { app: { url: app.origin } },
  routes: [{ path: '/*', upstream: 'app', access: 'public' }]
})

async function refusal (lines: readonly string[], target = '/x') {
  const before = app.seen.length
  const answer = await exchange(t, gateway.port, `GET ${target} HTTP/1.1\r\n${lines.map(line => `${line}\r\n`).join('')}\r\n`)
  return { status: answer.status, code: answer.header('scopegate-error'), connection: answer.header('connection'), reached: app.seen.length - before }
}

t.test('X8 more than one Host is refused, equal or not, in any letter case', async t => {
  for (const lines of [['Host: localhost', 'Host: localhost'], ['Host: localhost', 'Host: evil.example'], ['Host: evil.example', 'host: localhost'], ['HOST: localhost', 'hOsT: localhost']]) {
    t.strictSame(await refusal(lines), { status: 400, code: 'SG_TARGET_INVALID', connection: 'close', reached: 0 }, lines.join(' | '))
  }
})

t.test('X8 a missing or malformed Host is refused', async t => {
  for (const lines of [[], ['Host:'], ['Host: localhost, evil.example'], ['Host: local host'], ['Host: localhost/x'], ['Host: a@localhost'], ['Host: localhost:'], ['Host: localhost:x'],
    ['Host: localhost:999999'], ['Host: localhost#'], ['Host: localhost?x'], ['Host: [::1'], ['Host: localhost\\evil'], ['Host: \u00e4'], ['Host: localhost%2eevil.example']]) {
    const { status, reached } = await refusal(lines)
    t.equal(status, 400, lines.join('') || 'no Host')
    t.equal(reached, 0)
  }
})

t.test('CVE-2021-21291, CVE-2026-3635 a foreign Host is misdirected', async t => {
  for (const host of ['evil.example', 'localhost.evil.example', 'evillocalhost', 'xlocalhost', 'localhost.localdomain', '127.0.0.2', '0.0.0.0', '2130706433', '[::2]']) {
    const { status, reached } = await refusal([`Host: ${host}`])
    t.equal(status, 421, host)
    t.equal(reached, 0)
  }
})

t.test('every spelling of the known host is the same host', async t => {
  for (const host of ['localhost', 'LOCALHOST', 'LocalHost', 'localhost.', `localhost:${gateway.port}`, '127.0.0.1', '[::1]']) {
    const { status, reached } = await refusal([`Host: ${host}`])
    t.equal(status, 200, host)
    t.equal(reached, 1)
  }
})

t.test('the upstream gets its own Host, whatever the client sent', async t => {
  const answer = await exchange(t, gateway.port, { target: '/x', host: 'LOCALHOST' })
  t.equal(answer.json().headers.host, `127.0.0.1:${app.port}`)
})

t.test('other fields that decide something are refused when they come twice', async t => {
  for (const name of ['Authorization', 'Origin', 'Cookie', 'Content-Type', 'Sec-Fetch-Site', 'Sec-Fetch-Mode', 'Sec-Fetch-Dest', 'Referer', 'X-Requested-With']) {
    const { status, reached } = await refusal(['Host: localhost', `${name}: a=1`, `${name.toLowerCase()}: b=2`])
    t.equal(status, 400, name)
    t.equal(reached, 0)
    t.equal((await refusal(['Host: localhost', `${name}: a=1`])).status, 200, `${name} once`)
  }
})
