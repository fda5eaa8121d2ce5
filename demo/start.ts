/**
 * This file starts the parts of the demo in the order in which they need each other, and ends them in the other one.
 */
import { startEmulator, type Emulator } from '../emulator/start.ts'
import { findPort, startGateway, type RunningGateway } from './gateway.ts'
import { startGraphApi } from './graph-api.ts'
import { startLegacyApp } from './legacy-app.ts'
import { startOrdersApi } from './orders-api.ts'
import { registeredAt } from './registration.ts'
import { listenAs, type Settings } from './settings.ts'

/** Everything, running. */
export interface Demo {
  readonly gateway: RunningGateway
  readonly entra: Emulator
  readonly legacyUrl: string
  readonly ordersUrl: string
  readonly graphUrl: string
  close (): Promise<void>
}

/**
 * Starts everything; when it resolves, people can sign in.
 *
 * @throws DemoFailure a port is taken or the gateway does not come up; nothing is left running then
 */
export async function startDemo (settings: Settings): Promise<Demo> {
  const running: Array<{ close (): Promise<void> }> = []
  const close = async (): Promise<void> => {
    for (const part of running.reverse()) await part.close()
  }
  try {
    return { ...await startParts(settings, running), close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @param running - gets every part as soon as it runs */
async function startParts (settings: Settings, running: Array<{ close (): Promise<void> }>): Promise<Omit<Demo, 'close'>> {
  const keep = <T extends { close (): Promise<void> }>(part: T): T => {
    running.push(part)
    return part
  }
  // Looked at first, since it is the port that people know; the app registration names it too.
  const port = await listenAs('gateway', settings, findPort)
  const management = await listenAs('management', settings, findPort)
  const entra = keep(await listenAs('emulator', settings, async at => await startEmulator({
    config: registeredAt(port), port: at, tlsFolder: settings.tlsFolder
  })))
  const issuer = { origin: entra.origin, caPem: entra.caPem, tenantId: entra.config.tenants[0]!.id }
  const { url: legacyUrl } = keep(await listenAs('legacy', settings, startLegacyApp))
  const { url: ordersUrl } = keep(await listenAs('orders', settings, async at => await startOrdersApi(at, issuer)))
  const { url: graphUrl } = keep(await listenAs('graph', settings, async at => await startGraphApi(at, issuer)))
  const gateway = keep(await startGateway({ gateway: port, management }, { entra, legacyUrl, ordersUrl, graphUrl }))
  return { gateway, entra, legacyUrl, ordersUrl, graphUrl }
}
