/** This file keeps real credentials out of the emulator: it would accept them, show them, and log about them. */
import type { EmulatorConfig } from './shape.ts'

/** Client secrets that Entra generates carry `Q~` at a fixed place, so that scanners can find them. */
const GENERATED_BY_ENTRA = /^[\w~.-]{3}\dQ~[\w~.-]{31,34}$/

export interface Screened {
  readonly config: EmulatorConfig
  /** One sentence per secret left out; the secret itself is in none of them. */
  readonly warnings: readonly string[]
}

export function dropProductionSecrets (config: EmulatorConfig): Screened {
  const warnings: string[] = []
  const tenants = config.tenants.map((tenant) => ({
    ...tenant,
    apps: (tenant.apps ?? []).map((app) => ({
      ...app,
      secrets: (app.secrets ?? []).filter(({ value }) => {
        const isReal = GENERATED_BY_ENTRA.test(value)
        if (isReal) warnings.push(`A secret of ${app.name ?? app.clientId} looks like a real one of Entra ID and is not used. Revoke it if it is.`)
        return !isReal
      })
    }))
  }))
  return { config: { ...config, tenants }, warnings }
}
