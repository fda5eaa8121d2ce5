/**
 * This file changes the config of a busy program a hundred times, in every way there is: nobody notices, and nothing of the
 * gateways before is left.
 */
import { join } from 'node:path'
import t, { type Test } from 'tap'
import type { Browser } from '../support/browser.ts'
import { freePort } from '../support/ports.ts'
import { folder } from '../support/process.ts'
import { connectRaw, rawRequest } from '../support/raw.ts'
import { startRawUpstream } from '../support/raw-upstream.ts'
import { until } from '../support/redis.ts'
import { mount, type Parts, type Program, signedIn, startProgram, world } from '../support/reloading.ts'
import { attachInspector, descriptors, inspectedAt } from '../support/vitals.ts'
import { openWebSocket, startEchoUpstream } from '../support/websocket.ts'

/** A gateway that stayed would hold more than a hundredth of this. */
const maxGrowthBytes = 15_000_000

async function reloadsCounted (port: number): Promise<Record<string, number>> {
  const text = await (await fetch(`http://127.0.0.1:${port}/metrics`)).text()
  const lines = [...text.matchAll(/^scopegate_config_reloads_total\{outcome="(\w+)"\} (\d+)$/gm)]
  return Object.fromEntries(lines.map(([, outcome, count]) => [outcome, Number(count)]))
}

/** Asks without a pause until it is told to end. */
function startLoad (browser: Browser, url: string) {
  const state = { isOver: false, done: 0, failed: [] as string[] }
  async function ask (): Promise<void> {
    while (!state.isOver) {
      const { status, body } = await browser.fetch(url).catch((error: unknown) => ({ status: 0, body: String(error) }))
      if (status === 200) state.done++
      else state.failed.push(`${status} ${body}`)
    }
  }
  const clients = Promise.all([1, 2, 3, 4].map(ask))
  return {
    state,
    async end () {
      state.isOver = true
      await clients
    }
  }
}

/** Like a page that connects again whenever it is closed. @returns how it was closed each time */
function startPage (t: Test, url: string) {
  const state = { isOver: false, codes: [] as number[], refusals: [] as string[] }
  async function stay (): Promise<void> {
    while (!state.isOver) {
      try {
        state.codes.push(await (await openWebSocket(t, url)).closed)
      } catch (error) {
        state.refusals.push(String(error))
      }
    }
  }
  stay()
  return state
}

t.test('C9.10 a hundred configs under load: no request fails, streams go on, and no gateway stays behind', async t => {
  const base = await world(t)
  let finish = (): void => {}
  const slow = await startRawUpstream(t, socket => {
    socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nbegun\r\n')
    finish = () => { socket.end('3\r\nend\r\n0\r\n\r\n') }
  })
  const echo = await startEchoUpstream(t)
  const [managementPort, inspectorPort] = [await freePort(), await freePort()]
  const parts: Parts = {
    ...base,
    server: { management: { host: '127.0.0.1', port: managementPort } },
    upstreams: { ...base.upstreams, slow: { url: slow.origin }, echo: { url: echo.origin } },
    routes: [
      ...base.routes,
      { path: '/slow', upstream: 'slow', access: 'public' },
      { path: '/ws', upstream: 'echo', access: 'public', websocket: true }
    ]
  }
  const at = folder(t)
  const program: Program = await startProgram(t, parts, { at, file: join(at, '..data/gateway.yaml'), env: inspectedAt(inspectorPort) })
  const browser = await signedIn(t, program, base)
  const pid = program.child.pid!
  const inspector = await attachInspector(t, inspectorPort)
  let reloads = 0

  const bySignal = async (): Promise<void> => {
    program.child.kill('SIGHUP')
    await program.heard('config-reloaded', ++reloads)
  }
  // Each differs from the one before, or nobody would notice.
  const next = (): object => program.configFor({ ...parts, session: { idleSeconds: 3600 + reloads } })
  const bySwap = async (): Promise<void> => {
    mount(at, { 'gateway.yaml': next() })
    await program.heard('config-reloaded', ++reloads)
  }
  const inPlace = async (): Promise<void> => {
    program.write({ ...parts, session: { idleSeconds: 3600 + reloads } })
    await program.heard('config-reloaded', ++reloads)
  }

  const load = startLoad(browser, `${program.url}/x`)
  const page = startPage(t, `${program.url}/ws`)
  for (let count = 0; count < 10; count++) await bySignal()
  const before = { bytes: await inspector.liveBytes(), descriptors: descriptors(pid) }

  const stream = await connectRaw(t, Number(new URL(program.url).port))
  stream.send(rawRequest({ target: '/slow' }))
  await until('a slow answer', () => stream.rest().includes('begun'))
  for (let round = 0; round < 4; round++) {
    for (let count = 0; count < 20; count++) await bySignal()
    await bySwap()
    await inPlace()
  }
  program.write({ ...parts, routes: [{ path: '/*', upstream: 'none' }] })
  await program.heard('config-refused', 1)
  t.match(program.out(), /"problems":\["[^"]*gateway\.yaml:1:\d+/)
  t.notOk(stream.rest().includes('\r\n0\r\n'))
  finish()
  t.match(await stream.answer(), { status: 200, isComplete: true }, 'what was under way before all that ends well')
  for (let count = 0; count < 2; count++) await bySwap()

  page.isOver = true
  await load.end()
  await bySignal()
  t.same(load.state.failed, [])
  t.ok(load.state.done > 100, `${load.state.done} requests`)
  t.same([...new Set(page.codes)], [1012])
  t.ok(page.codes.length > 50, `${page.codes.length} WebSockets`)
  t.same(page.refusals.filter(refusal => !refusal.includes('503')), [], 'at the moment of the change a page may have to come again')
  t.same(await reloadsCounted(managementPort), { ok: reloads, refused: 1 })
  t.ok(reloads > 100)

  let grown = Infinity
  await until('the gateways to be gone', async () => {
    grown = await inspector.liveBytes() - before.bytes
    return grown < maxGrowthBytes && descriptors(pid) < before.descriptors + 20
  }).catch(() => {})
  t.ok(grown < maxGrowthBytes, `grown by ${grown} bytes`)
  t.ok(descriptors(pid) < before.descriptors + 20, `${before.descriptors} descriptors, then ${descriptors(pid)}`)
})
