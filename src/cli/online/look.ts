/** This file looks at everything that a gateway with this config would reach, all at once. */
import type { Config } from '../../config/schema.ts'
import type { Finding } from './finding.ts'
import { lookAtProvider } from './provider.ts'
import { lookAtStore } from './store.ts'
import { lookAtUpstreams } from './upstreams.ts'

/** One finding for each target, in the order of the config. Never throws, and takes no more than twice the deadline. */
export async function lookAround (config: Config, deadlineMs: number): Promise<readonly Finding[]> {
  const found = await Promise.all([
    lookAtProvider(config, deadlineMs),
    lookAtStore(config.store, deadlineMs),
    lookAtUpstreams(config.upstreams, deadlineMs)
  ])
  return found.flat()
}
