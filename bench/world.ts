/**
 * This file is everything that is there during a run: the emulator, Redis, the application, the gateway, what it is compared
 * with, and users who are signed in.
 */
import type { ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { type Emulator, startEmulator } from '../emulator/start.ts'
import type { AppReport, AppSettings } from './app.ts'
import type { Cleanup } from './cleanup.ts'
import { apis, type Api, benchDirectory, users } from './directory.ts'
import { type Gateway, newKey, startGateway, startRedis, type Surroundings, type Variant } from './gateway.ts'
import type { Request } from './load.ts'
import type { Machine } from './machine.ts'
import { type Session, signInAll } from './people.ts'
import { freePort, moduleCommand, startProcess } from './processes.ts'
import { nginxCommand } from './references/nginx.ts'

/** What the gateway is compared with. */
export interface Reference {
  readonly port: number
  readonly pid: number
}

export interface World extends Surroundings {
  readonly wrk: string
  readonly gateway: Gateway
  readonly rawProxy: Reference
  readonly stockProxy: Reference
  readonly nginx: Reference | undefined
  /** Another gateway whose sessions are the same. */
  another (variant: Variant): Promise<Gateway>
  signIn (count: number): Promise<Session[]>
  /** How often the provider was asked for tokens so far. */
  tokenCalls (): number
  /** @throws when the application saw a request that was not as it had to be, or fewer than `answered` since it was asked last */
  verify (answered?: number): Promise<void>
}

/** @throws Error that says which program is missing, and how it is installed */
function demand (machine: Machine, program: string, debian: string): string {
  const found = machine.find(program)
  if (found === undefined) throw new Error(`${program} is missing. Install it (Debian: apt-get install ${debian}).`)
  return found
}

/** @param moreRedirectUris - of others that sign users in at the emulator, beside the gateway */
export async function createWorld (machine: Machine, cleanup: Cleanup, moreRedirectUris: readonly string[] = []): Promise<World> {
  const wrk = demand(machine, 'wrk', 'wrk')
  const redisProgram = demand(machine, 'redis-server', 'redis-server')
  const publicUrl = `http://localhost:${await freePort()}`
  const entra = await startEmulator({ config: benchDirectory([`${publicUrl}/.auth/callback`, ...moreRedirectUris]) })
  cleanup.add(entra.close)
  const { child, ...app } = await startApp(machine, cleanup, entra)
  const around: Surroundings = {
    machine, cleanup, entra, publicUrl, ...app, redisPort: await startRedis(machine, cleanup, redisProgram), key: newKey()
  }
  const gateway = await startGateway(around)
  const rawProxy = await startReference(machine, cleanup, 'references/raw-proxy.js', app.appPort, app.webSocketPort)
  const stockProxy = await startReference(machine, cleanup, 'references/stock-proxy.js', app.appPort)
  const nginx = await startNginx(machine, cleanup, app.appPort)
  const doors = {
    origin: `http://127.0.0.1:${gateway.port}`, publicUrl, startPath: '/.auth/login?post_login_redirect_uri=%2Fapp%2F', prefix: '/.auth/', ca: entra.caPem
  }
  return {
    ...around,
    wrk,
    gateway,
    rawProxy,
    stockProxy,
    nginx,
    another: async variant => await startGateway(around, variant),
    signIn: async count => await signInAll(doors, users, count),
    tokenCalls: () => entra.requests().filter(({ endpoint }) => endpoint === 'token').length,
    verify: async answered => { await verify(child, answered) }
  }
}

async function startApp (machine: Machine, cleanup: Cleanup, entra: Emulator) {
  const [appPort, webSocketPort] = [await freePort(), await freePort()]
  const { body } = await entra.inject({ url: '/common/discovery/v2.0/keys' })
  const settings: AppSettings = { port: appPort, webSocketPort, jwks: JSON.parse(body) }
  const child = await startProcess(machine, cleanup, {
    role: 'upstream', command: moduleCommand('app.js', JSON.stringify(settings)), port: webSocketPort, talks: true
  })
  return { child, appPort, webSocketPort }
}

async function startReference (machine: Machine, cleanup: Cleanup, path: string, ...upstreams: number[]): Promise<Reference> {
  const port = await freePort()
  const command = moduleCommand(path, String(port), ...upstreams.map(String))
  const { pid } = await startProcess(machine, cleanup, { role: 'measured', command, port })
  return { port, pid: pid! }
}

async function startNginx (machine: Machine, cleanup: Cleanup, upstream: number): Promise<Reference | undefined> {
  const program = machine.find('nginx')
  if (program === undefined) return undefined
  const port = await freePort()
  const { pid } = await startProcess(machine, cleanup, { role: 'measured', command: nginxCommand(program, cleanup, port, upstream), port })
  return { port, pid: pid! }
}

/** The application saw somebody's request with something else than that user's token for that API. */
export class WrongAtApplication extends Error {}

async function verify (app: ChildProcess, answered = 0): Promise<void> {
  const reported = once(app, 'message')
  app.send('report')
  const [{ requests, wrong, example }] = await reported as [AppReport]
  if (wrong > 0) throw new WrongAtApplication(`${wrong} of ${requests} requests were wrong at the application, such as: ${String(example)}`)
  // What answers by itself, with a redirect to a sign-in page for one, is fast and useless.
  if (requests < answered) throw new Error(`the application saw ${requests} of ${answered} requests that were answered`)
}

/** Fields of a usual browser, so that header sections have a usual size. */
const usual = {
  'User-Agent': 'Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/130.0.0.0 Safari/537.36',
  Accept: 'application/json',
  'Accept-Language': 'en-GB,en;q=0.9',
  'Accept-Encoding': 'gzip, deflate, br',
  'Sec-Fetch-Site': 'same-origin',
  'Sec-Fetch-Mode': 'cors',
  'Sec-Fetch-Dest': 'empty'
}

export interface Wish {
  readonly path?: string
  /** Length of the answer's body; default 1 KB. */
  readonly bytes?: number
  /** Length of the request's body; absent: GET. */
  readonly sendBytes?: number
}

/** A request in the name of a session, for an API. */
export function requestOf (session: Session, { path = '/app/x', bytes = 1024, sendBytes }: Wish = {}, api: Api = apis[0]!): Request {
  const who = { 'x-bench-user': session.user.oid, 'x-bench-audience': api.audience }
  return make({ ...who, Cookie: session.cookie }, path, bytes, sendBytes)
}

/** The same without anybody's token: through a bare proxy, or on a public route. The cookie stays, so that sizes are equal. */
export function anonymous (session: Session, { path = '/app/x', bytes = 1024, sendBytes }: Wish = {}): Request {
  const who = { 'x-bench-user': '-', 'x-bench-audience': apis[0]!.audience }
  return make({ ...who, Cookie: session.cookie }, path, bytes, sendBytes)
}

function make (headers: Record<string, string>, path: string, bytes: number, sendBytes: number | undefined): Request {
  const all = { ...usual, ...headers, 'x-bench-bytes': String(bytes) }
  if (sendBytes === undefined) return { method: 'GET', path, headers: all }
  return { method: 'POST', path, headers: { ...all, 'Content-Type': 'application/octet-stream' }, body: 'x'.repeat(sendBytes) }
}
