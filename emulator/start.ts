/** This file starts an emulator inside a process: for tests, for the demo, and for the command line. */
import { randomBytes } from 'node:crypto'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { FastifyInstance } from 'fastify'
import { createFaults } from './admin/faults.ts'
import { isLoopbackAddress } from './admin/guard.ts'
import { createAdmin, type Admin } from './admin/operations.ts'
import { createClock } from './clock.ts'
import { checkConfig } from './config/check.ts'
import { loadDefaultConfig } from './config/load.ts'
import { dropProductionSecrets } from './config/production-secrets.ts'
import type { EmulatorConfig } from './config/shape.ts'
import { buildTenants } from './directory/build.ts'
import { createApp } from './http/app.ts'
import { createRequestLog, type RequestLogEntry } from './http/request-log.ts'
import { createSigningKeys } from './keys/signing-keys.ts'
import { createState } from './state.ts'
import { createTlsIdentity, keepTlsIdentity, type TlsIdentity } from './tls/authority.ts'
import { DEFAULT_LIFETIMES, DEFAULT_QUIRKS, type World } from './world.ts'

export interface EmulatorOptions {
  /** Default: emulator.yaml of this folder. */
  readonly config?: EmulatorConfig | undefined
  /** 0, the default: any free port. */
  readonly port?: number
  /** Default `localhost`: both loopback addresses. */
  readonly host?: string
  /** Lets `host` be an address that other machines reach; the admin API then wants its token. */
  readonly allowRemote?: boolean
  /** Opens the HTTP admin API at `/_emulator`. The in-process one is there always. */
  readonly admin?: boolean
  /** Bearer token of the HTTP admin API. Default: none on loopback, a random one otherwise. */
  readonly adminToken?: string | undefined
  /** Lets `issuerMode: microsoft` be used. */
  readonly allowMicrosoftIssuer?: boolean
  /** Clients reach it as `origin` of the config, port and all, through a proxy that knows the way. */
  readonly isBehindProxy?: boolean
  /** Folder that keeps CA and leaf between runs. Default: made anew, in memory. */
  readonly tlsFolder?: string
}

export interface Emulator {
  /** `https://localhost:PORT` */
  readonly origin: string
  readonly port: number
  /** The CA to trust, as PEM text and as a file; both empty with `tls: off`. */
  readonly caPem: string
  readonly caFile: string
  readonly config: EmulatorConfig
  /** The admin API in process; needs no `admin: true`. */
  readonly admin: Admin
  /** What the HTTP admin API wants as a bearer token, if anything. */
  readonly adminToken: string | null
  /** About credentials that look real and were left out. */
  readonly warnings: readonly string[]
  requests (since?: number): RequestLogEntry[]
  /** A request without a socket, for clients whose network is a function (way C of the README). */
  readonly inject: FastifyInstance['inject']
  close (): Promise<void>
}

const DEFAULT_ORIGIN = 'https://localhost:8443'

/** @throws Error for a wrong config, an address or an issuer that needs a flag, or a port that is taken */
export async function startEmulator (options: EmulatorOptions = {}): Promise<Emulator> {
  const { config, warnings } = dropProductionSecrets(checkConfig(options.config ?? loadDefaultConfig()))
  refuseWithoutFlag(config, options)
  const world = await createWorld(config, options)
  const admin = createAdmin(world)
  const { hostname } = new URL(config.origin ?? DEFAULT_ORIGIN)
  const tls = config.tls === 'off' ? undefined : identityFor(hostname, options.tlsFolder)
  const app = createApp(world, admin, tls)
  await app.listen({ host: options.host ?? 'localhost', port: options.port ?? 0 })
  const { port } = app.server.address() as { port: number }
  world.origin = options.isBehindProxy === true ? config.origin ?? DEFAULT_ORIGIN : `${tls === undefined ? 'http' : 'https'}://${hostname}:${port}`
  const ca = publishCa(tls, options.tlsFolder)
  return {
    origin: world.origin,
    port,
    caPem: tls?.caPem ?? '',
    caFile: ca.file,
    config,
    admin,
    adminToken: world.adminToken,
    warnings,
    requests: (since) => world.requests.list(since),
    inject: app.inject.bind(app),
    close: async () => {
      await app.close()
      ca.remove()
    }
  }
}

function refuseWithoutFlag (config: EmulatorConfig, options: EmulatorOptions): void {
  const host = options.host ?? 'localhost'
  if (!isLoopbackAddress(host) && options.allowRemote !== true) {
    throw new Error(`${host} is not a loopback address: other machines could sign in as anybody. Allow it explicitly if that is meant.`)
  }
  if (config.issuerMode === 'microsoft' && options.allowMicrosoftIssuer !== true) {
    throw new Error('issuerMode microsoft has to be allowed explicitly: its tokens name the real service as their issuer')
  }
}

async function createWorld (config: EmulatorConfig, options: EmulatorOptions): Promise<World> {
  return {
    config,
    origin: config.origin ?? DEFAULT_ORIGIN,
    issuerMode: config.issuerMode ?? 'own',
    lifetimes: { ...DEFAULT_LIFETIMES, ...config.lifetimes },
    quirks: { ...DEFAULT_QUIRKS, ...config.quirks },
    clock: createClock(),
    keys: await createSigningKeys(),
    state: createState(buildTenants(config)),
    faults: createFaults(),
    requests: createRequestLog(),
    adminEnabled: options.admin ?? false,
    adminToken: options.adminToken ?? (options.allowRemote === true ? randomBytes(24).toString('base64url') : null)
  }
}

function identityFor (hostname: string, folder: string | undefined): TlsIdentity {
  return folder === undefined ? createTlsIdentity(hostname) : keepTlsIdentity(folder, hostname)
}

/** Other programs take a CA as a file: the kept one, or one that lives as long as this emulator. */
function publishCa (tls: TlsIdentity | undefined, folder: string | undefined): { file: string, remove: () => void } {
  if (tls === undefined) return { file: '', remove: () => {} }
  if (folder !== undefined) return { file: join(folder, 'ca.pem'), remove: () => {} }
  const temporary = mkdtempSync(join(tmpdir(), 'entra-emulator-'))
  const file = join(temporary, 'ca.pem')
  writeFileSync(file, tls.caPem)
  return { file, remove: () => { rmSync(temporary, { recursive: true, force: true }) } }
}
