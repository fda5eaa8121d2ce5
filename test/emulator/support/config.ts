/** This file makes variations of the default configuration. */
import { loadDefaultConfig } from '../../../emulator/config/load.ts'
import type { AppConfig, EmulatorConfig, TenantConfig, UserConfig } from '../../../emulator/config/shape.ts'

export interface Changes {
  /** Laid over the app with this name; a new name adds an app. */
  readonly apps?: Readonly<Record<string, Partial<AppConfig>>>
  /** Laid over the user with this UPN; a new UPN adds a user. */
  readonly users?: Readonly<Record<string, Partial<UserConfig>>>
  readonly tenant?: Partial<TenantConfig>
  readonly config?: Partial<EmulatorConfig>
}

/** The default configuration with changes in its first tenant. */
export function configWith (changes: Changes): EmulatorConfig {
  const base = loadDefaultConfig()
  const [contoso, ...others] = base.tenants
  const changed: TenantConfig = {
    ...contoso!,
    ...changes.tenant,
    apps: lay(contoso!.apps ?? [], changes.apps ?? {}, 'name') as AppConfig[],
    users: lay(contoso!.users ?? [], changes.users ?? {}, 'upn') as UserConfig[]
  }
  return { ...base, ...changes.config, tenants: [changed, ...others] }
}

function lay<T extends object> (items: readonly T[], changes: Readonly<Record<string, Partial<T>>>, key: keyof T): Partial<T>[] {
  const known = new Set(items.map((item) => String(item[key])))
  const changed = items.map((item) => ({ ...item, ...changes[String(item[key])] }))
  const added = Object.entries(changes).filter(([name]) => !known.has(name))
  return [...changed, ...added.map(([name, item]) => ({ [key]: name, ...item }) as Partial<T>)]
}
