/**
 * This file runs the gateway as its users do: the built command, with a config file, in a process of its own.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseDocument } from 'yaml'
import type { Running } from './app.ts'
import { fileIn } from './files.ts'
import { DemoFailure } from './settings.ts'

/** Where the other parts of the demo are, once they listen. */
export interface Neighbours {
  readonly entra: { readonly origin: string, readonly caFile: string }
  readonly legacyUrl: string
  readonly ordersUrl: string
  readonly graphUrl: string
}

/** The gateway's process. */
export interface RunningGateway extends Running {
  readonly managementUrl: string
  /** Resolves when the process is gone, whoever ended it. */
  readonly ended: Promise<void>
}

/** What the gateway listens on. */
export interface GatewayPorts {
  readonly gateway: number
  readonly management: number
}

const startMs = 30_000
const pollMs = 50
/** More than the drain of gateway.yaml takes. */
const endMs = 8_000

/**
 * Starts the gateway and waits until a sign-in can begin.
 *
 * @param ports - free ones, as `findPort` gives them: the config has to name them beforehand
 * @throws DemoFailure the gateway ended or was not ready in time; its own words are on standard error
 */
export async function startGateway (ports: GatewayPorts, neighbours: Neighbours): Promise<RunningGateway> {
  const url = `http://localhost:${ports.gateway}`
  const managementUrl = `http://127.0.0.1:${ports.management}`
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-demo-'))
  const config = join(folder, 'gateway.yaml')
  writeFileSync(config, configFor(url, ports, neighbours))
  const child = spawn(process.execPath, [fileIn('dist/src/main.js'), 'serve', '--config', config], {
    // Waiting for its first answers would fill the log with warnings. LOG_LEVEL=info shows those and every request.
    env: { LOG_LEVEL: 'error', ...process.env, AZURE_CLIENT_SECRET: 'gw-secret' },
    stdio: ['ignore', 'inherit', 'inherit']
  })
  const ended = once(child, 'exit').then(() => { rmSync(folder, { recursive: true, force: true }) })
  const gateway = { url, managementUrl, ended, close: async () => { await end(child, ended) } }
  try {
    await waitForSignIn(gateway, child, neighbours.entra.origin)
  } catch (error) {
    await gateway.close()
    throw error
  }
  return gateway
}

/** gateway.yaml with the addresses of this run; everything else is as it stands there. */
function configFor (url: string, ports: GatewayPorts, { entra, legacyUrl, ordersUrl, graphUrl }: Neighbours): string {
  const config = parseDocument(readFileSync(fileIn('demo/gateway.yaml'), 'utf8'))
  config.setIn(['server', 'port'], ports.gateway)
  config.setIn(['server', 'management', 'port'], ports.management)
  config.setIn(['server', 'publicUrl'], url)
  config.setIn(['entra', 'instance'], `${entra.origin}/`)
  config.setIn(['entra', 'caFile'], entra.caFile)
  config.setIn(['upstreams', 'legacy', 'url'], legacyUrl)
  config.setIn(['upstreams', 'orders', 'url'], ordersUrl)
  config.setIn(['upstreams', 'graph', 'url'], `${graphUrl}/v1.0`)
  return config.toString()
}

/** The first redirect to the identity provider says that its metadata is there and the credential loaded. */
async function waitForSignIn (gateway: RunningGateway, child: ChildProcess, providerOrigin: string): Promise<void> {
  const deadline = Date.now() + startMs
  while (child.exitCode === null && child.signalCode === null) {
    if (await leadsTo(`${gateway.url}/.auth/login`, providerOrigin)) return
    if (Date.now() > deadline) {
      throw new DemoFailure(`The gateway did not offer a sign-in within ${startMs / 1000} seconds; LOG_LEVEL=info tells more.`)
    }
    await sleep(pollMs)
  }
  throw new DemoFailure('The gateway ended before it was ready.')
}

async function leadsTo (url: string, origin: string): Promise<boolean> {
  try {
    const { headers } = await fetch(url, { redirect: 'manual' })
    return headers.get('location')?.startsWith(`${origin}/`) ?? false
  } catch {
    // Nobody listens yet.
    return false
  }
}

async function end (child: ChildProcess, ended: Promise<void>): Promise<void> {
  child.kill('SIGTERM')
  const last = setTimeout(() => { child.kill('SIGKILL') }, endMs)
  await ended
  clearTimeout(last)
}

/** The port itself, or any free one for 0. Fails as `listen` does when it is taken. */
export async function findPort (port: number): Promise<number> {
  const server = createServer().listen(port, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address() as { port: number }
  server.close()
  await once(server, 'close')
  return address.port
}
