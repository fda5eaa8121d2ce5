/**
 * This file holds the rules that look at two places of a config. They see what is sound and skip what is not, so that all
 * problems of a config can be told at once.
 */
import { checkRoutes } from './rules-routes.ts'
import { checkUpstreams } from './rules-upstreams.ts'
import type { RuleContext, SoundConfig, SoundKeys } from './sound.ts'

export function checkRules (config: SoundConfig, context: RuleContext): void {
  checkLimits(config, context)
  checkSession(config, context)
  checkTenants(config, context)
  checkStore(config, context)
  if (Array.isArray(config.keys)) checkKeys(config.keys, '/keys', context)
  checkUpstreams(config, context)
  checkRoutes(config, context)
}

/** The keys of a ring have different names. */
export function checkKeys (keys: SoundKeys, pointer: string, { report, lineOf }: Pick<RuleContext, 'report' | 'lineOf'>): void {
  const seen = new Map<string, string>()
  keys.forEach((key, index) => {
    if (key?.id === undefined) return
    const place = `${pointer}/${index}/id`
    const first = seen.get(key.id)
    if (first === undefined) seen.set(key.id, place)
    else report(place, `is the id of the key in line ${lineOf(first)}, too: give each key its own`)
  })
}

function checkLimits ({ server }: SoundConfig, { report }: RuleContext) {
  const limits = server?.limits
  if (limits !== undefined && limits.headersTimeoutSeconds > limits.requestTimeoutSeconds) {
    report('/server/limits/headersTimeoutSeconds', 'must not be more than requestTimeoutSeconds, which covers the headers too')
  }
}

function checkSession ({ session }: SoundConfig, { report }: RuleContext) {
  if (session !== undefined && session.idleSeconds > session.absoluteSeconds) {
    report('/session/idleSeconds', 'must not be more than absoluteSeconds, which ends the session anyway')
  }
}

function checkTenants ({ entra }: SoundConfig, { report }: RuleContext) {
  const { tenantId, allowedTenants } = entra ?? {}
  if (tenantId === undefined || allowedTenants === undefined) return
  if (tenantId === 'organizations' || tenantId === 'common') {
    if (allowedTenants.length === 0) {
      report('/entra/allowedTenants', `must list the GUIDs of the tenants to let in: with tenantId ${tenantId} everybody at Microsoft could sign in`)
    }
    return
  }
  const own = tenantId.includes('.') ? allowedTenants[0] : tenantId // which GUID a domain has, only Microsoft knows
  if (allowedTenants.some(tenant => tenant.toLowerCase() !== own?.toLowerCase())) {
    report('/entra/allowedTenants', 'must not name other tenants than tenantId: for several use tenantId organizations')
  }
}

function checkStore ({ store, keys }: SoundConfig, { report }: RuleContext) {
  if (store === undefined) return
  if (store.type === 'memory') {
    if (store.redis !== undefined) report('/store/redis', 'is not used with type memory: set type to redis, or remove it')
    return
  }
  if (keys === undefined) report('/store/type', 'redis needs keys: replicas must share a key ring, and records are sealed with it')
  if (store.redis === undefined) {
    report('/store/type', 'redis needs store.redis with a url, sentinels or a cluster')
    return
  }
  const { url, sentinels, cluster, masterName } = store.redis
  if ([url, sentinels, cluster].filter(place => place !== undefined).length !== 1) {
    report('/store/redis', 'must have exactly one of url, sentinels and cluster')
  }
  if (sentinels !== undefined && masterName === undefined) report('/store/redis/sentinels', 'needs masterName beside it')
}
