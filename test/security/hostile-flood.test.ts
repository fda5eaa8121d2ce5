/**
 * This file floods a gateway process with hostile clients, and looks at what that costs it: no error that nobody expected,
 * no memory, no descriptor, no other user's patience. HOSTILE_REQUESTS says how many requests (`npm run soak`: 100,000),
 * HOSTILE_SEED which.
 */
import { createServer, type IncomingMessage } from 'node:http'
import { connect, type AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import t, { type Test } from 'tap'
import type { Emulator } from '../../emulator/start.ts'
import type { Browser } from '../support/browser.ts'
import { configOf, startEntra } from '../support/gateway.ts'
import { createHostiles, type HostileClient } from '../support/hostile.ts'
import { createVerifier } from '../support/jwt.ts'
import { freePort } from '../support/ports.ts'
import { serving, writeConfig } from '../support/process.ts'
import { until } from '../support/redis.ts'
import { signIn } from '../support/signed-in.ts'
import { attachInspector, descriptors, inspectedAt, isOfInspector, residentBytes } from '../support/vitals.ts'
import { startEchoUpstream } from '../support/websocket.ts'

const requests = Number(process.env.HOSTILE_REQUESTS ?? 20_000)
const seed = Number(process.env.HOSTILE_SEED ?? Date.now() % 2 ** 31)
const atOnce = 100
const answerWithinMs = 60_000
const canary = 'canary-5b1f0c'
const mebibyte = 2 ** 20
/** What lives is exact: 200 bytes left by each of 20,000 requests would be seen. Resident memory is as much as V8 likes. */
const maxGrowth = { live: 3 * mebibyte, resident: 64 * mebibyte }

/** What the gateway may say to a hostile client; 500, 502, 503 and 504 are not among it. */
const fine = new Set([100, 101, 200, 302, 303, 400, 401, 403, 404, 405, 408, 413, 414, 417, 421, 426, 431, 505])

/** Remembers who came to it by mistake: it holds nothing for the anonymous but what is below `/public/`. */
async function startGuarded (t: Test) {
  const authorizations = new Set<string>()
  const strangers: string[] = []
  const server = createServer((request, response) => {
    look(request)
    request.resume()
    request.on('error', () => {})
    setTimeout(() => { response.end(request.headers.authorization ?? 'nobody') }, request.url!.endsWith('/slow') ? 30 : 0)
  })
  function look ({ url = '', headers }: IncomingMessage): void {
    if (headers.authorization !== undefined) authorizations.add(headers.authorization)
    else if (!/^\/public(?:[/?]|$)/.test(url)) strangers.push(url)
    if (/(?:^|;) *scopegate[.=]/.test(headers.cookie ?? '')) strangers.push(headers.cookie!)
  }
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(() => {
    server.closeAllConnections()
    server.close()
  })
  return { origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, authorizations, strangers }
}

interface Outcome {
  readonly statuses: readonly number[]
  /** Why the connection ended: the client had its answers, or left, or the gateway closed it, or nothing happened for long. */
  readonly end: 'answered' | 'left' | 'closed' | 'waited'
}

/** Does what the client does. Resolves when its connection is over. */
async function act (port: number, { bytes, requests, leavesAfterMs }: HostileClient): Promise<Outcome> {
  const socket = connect({ port, host: '127.0.0.1' })
  const statuses: number[] = []
  return await new Promise(resolve => {
    let end: Outcome['end'] = 'closed'
    const leave = (why: Outcome['end']) => (): void => {
      end = why
      if (requests % 2 === 0) socket.destroy()
      else socket.resetAndDestroy()
    }
    const timer = setTimeout(leave(leavesAfterMs === undefined ? 'waited' : 'left'), leavesAfterMs ?? answerWithinMs)
    socket.on('data', chunk => {
      for (const [, status] of chunk.toString('latin1').matchAll(/HTTP\/1\.1 (\d{3}) /g)) statuses.push(Number(status))
      if (leavesAfterMs === undefined && statuses.length >= requests) leave('answered')()
    })
    socket.on('error', () => {})
    socket.once('close', () => {
      clearTimeout(timer)
      resolve({ statuses, end })
    })
    socket.write(Buffer.from(bytes, 'latin1'))
  })
}

interface Tally {
  requests: number
  readonly byKind: Record<string, Record<string, number>>
  readonly wrong: string[]
}

/** Lets clients come until they have made so many requests. */
async function flood (port: number, next: () => HostileClient, { count, tally }: { count: number, tally: Tally }): Promise<void> {
  const enough = tally.requests + count
  async function one (): Promise<void> {
    while (tally.requests < enough) {
      const client = next()
      tally.requests += client.requests
      note(tally, client, await act(port, client))
    }
  }
  await Promise.all(Array.from({ length: atOnce }, one))
}

function note ({ byKind, wrong }: Tally, client: HostileClient, { statuses, end }: Outcome): void {
  const counts = byKind[client.kind] ??= {}
  for (const what of [...statuses, end]) counts[what] = (counts[what] ?? 0) + 1
  if (end === 'waited' || statuses.some(status => !fine.has(status))) wrong.push(`${client.kind} ${statuses.join()} ${end}: ${client.bytes.slice(0, 300)}`)
}

/** The gateway as a process, with its inspector open. */
async function startProcess (t: Test, entra: Emulator, app: { readonly origin: string }) {
  const live = await startEchoUpstream(t)
  const [port, inspectorPort] = [await freePort(), await freePort()]
  const orders = { upstream: 'app', scopes: ['api://orders/Orders.Read'] }
  const running = await serving(t, writeConfig(t, configOf({
    emulator: entra,
    upstreams: { app: { url: app.origin }, live: { url: live.origin } },
    routes: [
      { path: '/public/*', upstream: 'app', access: 'public' },
      { path: '/live/*', upstream: 'live', websocket: true },
      { path: '/admin/*', ...orders, allow: { roles: ['Nobody'] } },
      { path: '/*', ...orders, identityHeaders: 'easyauth' }
    ],
    entra: { initialScopes: orders.scopes },
    server: { limits: { maxBodyBytes: 50_000 } }
  }, port)), inspectedAt(inspectorPort))
  const url = `http://localhost:${port}`
  await until('a provider that was reached', async () => (await fetch(`${url}/.auth/login`, { redirect: 'manual' })).status === 302, 60_000)
  return { running, pid: running.child.pid!, port, url, inspector: await attachInspector(t, inspectorPort) }
}

/** A user who is served right, or that is told. */
function createUser (browser: Browser, url: string, authorization: string) {
  const state = { isOn: true, requests: 0, slowestMs: 0 }
  const wrong: string[] = []
  async function ask (path: string, right: string): Promise<void> {
    const begunAt = performance.now()
    const { status, body } = await browser.fetch(`${url}${path}`)
    state.slowestMs = Math.max(state.slowestMs, performance.now() - begunAt)
    state.requests++
    if (!`${status} ${body}`.startsWith(right)) wrong.push(`${path}: ${status} ${body}`)
  }
  return {
    state,
    wrong,
    async goOn (): Promise<void> {
      while (state.isOn) {
        await ask('/x', `200 ${authorization}`)
        await ask('/public/x', '200 nobody')
        await ask('/admin/x', '403 ')
        await delay(20)
      }
    }
  }
}

const mib = (bytes: number): string => `${(bytes / mebibyte).toFixed(1)} MiB`

t.setTimeout(3_600_000)

t.test(`C13.9 ${requests} hostile requests cost a gateway no error, no memory, no descriptor and nobody's session`, async t => {
  t.comment(`HOSTILE_SEED=${seed}`)
  const [entra, app] = await Promise.all([startEntra(t), startGuarded(t)])
  const { running, pid, port, url, inspector } = await startProcess(t, entra, app)
  const { browser, cookie } = await signIn(t, { url, entra, at: '/public/x' })
  const authorization = (await browser.fetch(`${url}/x`)).body
  t.match(await (await createVerifier(entra))(authorization), { preferred_username: 'alice@contoso.example' })

  const descriptorsBefore = descriptors(pid)
  async function settle () {
    await until('no more descriptors than before', () => descriptors(pid) <= descriptorsBefore, 60_000)
    return { live: await inspector.liveBytes(), resident: residentBytes(pid) }
  }

  const user = createUser(browser, url, authorization)
  const served = user.goOn()
  const next = createHostiles(seed, { host: `localhost:${port}`, cookie, canary })
  const tally: Tally = { requests: 0, byKind: {}, wrong: [] }
  const begunAt = performance.now()
  await flood(port, next, { count: Math.ceil(requests / 4), tally })
  const before = await settle()
  await flood(port, next, { count: requests - tally.requests, tally })
  const seconds = (performance.now() - begunAt) / 1000
  const after = await settle()
  user.state.isOn = false
  await served

  for (const [kind, counts] of Object.entries(tally.byKind).sort()) t.comment(`${kind}: ${JSON.stringify(counts)}`)
  t.comment(`${tally.requests} requests in ${Math.round(seconds)} s; live ${mib(before.live)} -> ${mib(after.live)}, resident ` +
    `${mib(before.resident)} -> ${mib(after.resident)}; a user made ${user.state.requests}, the slowest took ${Math.round(user.state.slowestMs)} ms`)

  t.same(tally.wrong.slice(0, 5), [], 'whole requests are answered, and none of them with a fault')
  t.same(user.wrong.slice(0, 5), [], 'a user is served all the time')
  t.same([...app.authorizations], [authorization], 'the upstream saw that user\'s token and no other')
  t.same(app.strangers.slice(0, 5), [], 'and nobody without it, nor a cookie of the gateway')
  t.equal(running.child.exitCode, null, 'the process is there')
  t.notMatch(running.out(), /SG_INTERNAL|unexpected error|"level":"(?:error|fatal)"/)
  t.same(running.err().split('\n').filter(line => !isOfInspector(line)), [], 'and Node had nothing to say')
  const secrets = [cookie.split('=')[1]!, authorization.split(' ')[1]!, 'gw-secret', canary]
  t.same(secrets.filter(secret => running.out().includes(secret)), [], 'the log holds no secret')
  t.ok(after.live - before.live < maxGrowth.live, `the heap grew by ${mib(after.live - before.live)}`)
  t.ok(after.resident - before.resident < maxGrowth.resident, `the process grew by ${mib(after.resident - before.resident)}`)
})
