/** This file checks client secrets. */
import type { App } from '../../directory/directory.ts'
import { EntraError } from '../../errors/entra-error.ts'

/** @throws EntraError 7000215 wrong, 7000222 right but expired */
export function verifySecret (secret: string, client: App, now: number): void {
  const matching = client.secrets.filter(({ value }) => value === secret)
  if (matching.length === 0) throw new EntraError(7000215)
  if (matching.every(({ expiresAt }) => expiresAt <= now)) throw new EntraError(7000222)
}
