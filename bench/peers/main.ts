/**
 * This file runs the gateway against its peers: `npm run bench:peers`. Those that are not installed are named, and left out.
 *
 * Options: `--only NAME,NAME` (get, download, upload), `--rounds N`, `--seconds N`, `--name NAME` (of the files in
 * bench/results).
 */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import type { Cleanup } from '../cleanup.ts'
import { users } from '../directory.ts'
import type { Machine } from '../machine.ts'
import { signInAll } from '../people.ts'
import { freePort, startProcess } from '../processes.ts'
import { tableOf } from '../report.ts'
import type { Findings } from '../result.ts'
import { keep, run } from '../run.ts'
import { createWorld, type World } from '../world.ts'
import { modAuthOpenidc } from './apache.ts'
import { compare, comparisons, type Rival } from './compare.ts'
import { goProxy } from './go-proxy.ts'
import { haproxy } from './haproxy.ts'
import { oauth2Proxy } from './oauth2-proxy.ts'
import type { Found, Peer, Program } from './peer.ts'

const programs: readonly Program[] = [modAuthOpenidc, oauth2Proxy, goProxy, haproxy]

const { values } = parseArgs({
  options: {
    only: { type: 'string' },
    rounds: { type: 'string', default: '5' },
    seconds: { type: 'string', default: '4' },
    name: { type: 'string', default: 'peers-latest' }
  }
})
const plan = { rounds: Number(values.rounds), seconds: Number(values.seconds), sessions: 1 }
const wanted = values.only?.split(',')
const chosen = comparisons.filter(({ name }) => wanted?.includes(name) ?? true)

await run(async (machine, cleanup) => {
  const findings = await measure(machine, cleanup)
  console.log(`\n${tableOf(findings)}`)
  keep(values.name, machine, findings)
})

async function measure (machine: Machine, cleanup: Cleanup): Promise<Findings> {
  const found = lookFor(machine)
  const seats = await Promise.all(found.flatMap(({ peers }) => peers).map(seatOf))
  const world = await createWorld(machine, cleanup, seats.flatMap(({ peer, publicUrl }) => (
    peer.signIn === undefined ? [] : [publicUrl + peer.signIn.callbackPath]
  )))
  const rivals: Rival[] = [{ name: 'stock http-proxy, bare', port: world.stockProxy.port, bars: { get: { atLeast: 1.5, stretch: 2.2 } } }]
  for (const seat of seats) rivals.push(await start(world, seat))
  const [ours] = await world.signIn(1)
  const all: Findings[] = []
  for (const comparison of chosen) {
    console.log(`${comparison.name}: ${comparison.about}`)
    all.push(await compare(world, plan, comparison, { ours: ours!, rivals }))
  }
  await world.verify()
  return {
    versions: Object.fromEntries(found.map(({ name, version }) => [name, version])),
    rows: all.flatMap(({ rows }) => rows),
    figures: all.flatMap(({ figures }) => figures)
  }
}

function lookFor (machine: Machine): Array<Found & { readonly name: string }> {
  return programs.flatMap(({ name, hint, find }) => {
    const found = find(machine)
    console.log(found === undefined ? `${name} is missing: ${hint}` : `${name} ${found.version}`)
    return found === undefined ? [] : [{ name, ...found }]
  })
}

/** Where a peer will be: the emulator has to know before it is there. */
interface Seat {
  readonly peer: Peer
  readonly port: number
  readonly publicUrl: string
}

async function seatOf (peer: Peer): Promise<Seat> {
  const port = await freePort()
  return { peer, port, publicUrl: `http://localhost:${port}` }
}

async function start (world: World, { peer, port, publicUrl }: Seat): Promise<Rival> {
  const { machine, cleanup, entra } = world
  const folder = mkdtempSync(join(tmpdir(), 'bench-peer-'))
  cleanup.add(() => { rmSync(folder, { recursive: true, force: true }) })
  chmodSync(folder, 0o755)
  const prepared = await peer.prepare({ ...world, port, publicUrl, folder })
  await startProcess(machine, cleanup, { role: 'measured', ...prepared, port })
  const { name, bars, signIn } = peer
  if (signIn === undefined) return { name, bars, port }
  const [session] = await signInAll({ origin: `http://127.0.0.1:${port}`, publicUrl, ...signIn, ca: entra.caPem }, users, 1)
  return { name, bars, port, session: session! }
}
