/**
 * This file registers the demo's gateway in the emulator's directory at the port where it really is.
 */
import { loadDefaultConfig } from '../emulator/config/load.ts'
import type { EmulatorConfig } from '../emulator/config/shape.ts'

/**
 * Redirect URIs on localhost match at any port, but the address for front-channel sign-out is called as it is written.
 */
export function registeredAt (port: number): EmulatorConfig {
  const config = loadDefaultConfig()
  return {
    ...config,
    tenants: config.tenants.map(tenant => ({
      ...tenant,
      apps: tenant.apps?.map(app => app.logoutUrl === undefined ? app : { ...app, logoutUrl: atPort(app.logoutUrl, port) }) ?? []
    }))
  }
}

function atPort (address: string, port: number): string {
  const url = new URL(address)
  url.port = String(port)
  return url.href
}
