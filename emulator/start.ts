/** This file starts an emulator inside a process: for tests, for the demo, and for the command line. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createFaults } from './admin/faults.ts'
import { createAdmin, type Admin } from './admin/operations.ts'
import { createClock } from './clock.ts'
import type { EmulatorConfig } from './config/shape.ts'
import { loadDefaultConfig } from './config/load.ts'
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
  /** Opens the HTTP admin API at `/_emulator`. The in-process one is there always. */
  readonly admin?: boolean
  /** Folder that keeps CA and leaf between runs. Default: made anew, in memory. */
  readonly tlsFolder?: string
}

export interface Emulator {
  /** `https://localhost:PORT` */
  readonly origin: string
  /** The CA to trust, as PEM text and as a file. */
  readonly caPem: string
  readonly caFile: string
  readonly config: EmulatorConfig
  /** The admin API in process; no HTTP, no `admin: true` needed. */
  readonly admin: Admin
  requests (since?: number): RequestLogEntry[]
  close (): Promise<void>
}

export async function startEmulator (options: EmulatorOptions = {}): Promise<Emulator> {
  const config = options.config ?? loadDefaultConfig()
  const world = await createWorld(config, options)
  const hostname = new URL(config.origin ?? 'https://localhost:8443').hostname
  const tls = config.tls === 'off' ? undefined : identityFor(hostname, options.tlsFolder)
  const app = createApp(world, tls)
  await app.listen({ host: options.host ?? 'localhost', port: options.port ?? 0 })
  const { port } = app.server.address() as { port: number }
  world.origin = `${tls === undefined ? 'http' : 'https'}://${hostname}:${port}`
  const ca = publishCa(tls, options.tlsFolder)
  return {
    origin: world.origin,
    caPem: tls?.caPem ?? '',
    caFile: ca.file,
    config,
    admin: createAdmin(world),
    requests: (since) => world.requests.list(since),
    close: async () => {
      await app.close()
      ca.remove()
    }
  }
}

async function createWorld (config: EmulatorConfig, options: EmulatorOptions): Promise<World> {
  return {
    config,
    origin: config.origin ?? 'https://localhost:8443',
    issuerMode: config.issuerMode ?? 'own',
    lifetimes: { ...DEFAULT_LIFETIMES, ...config.lifetimes },
    quirks: { ...DEFAULT_QUIRKS, ...config.quirks },
    clock: createClock(),
    keys: await createSigningKeys(),
    state: createState(buildTenants(config)),
    faults: createFaults(),
    requests: createRequestLog(),
    adminEnabled: options.admin ?? false
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
