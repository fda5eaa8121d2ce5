/**
 * This file holds the rules that look at two places of a config. They see what is sound and skip what is not, so that all
 * problems of a config can be told at once.
 */
import { isGuid } from './formats.ts'
import { checkRoutes } from './rules-routes.ts'
import { checkUpstreams } from './rules-upstreams.ts'
import type { RuleContext, SoundConfig, SoundKeys } from './sound.ts'

export function checkRules (config: SoundConfig, context: RuleContext): void {
  checkLimits(config, context)
  checkManagement(config, context)
  checkSession(config, context)
  checkTenants(config, context)
  checkAuthority(config, context)
  checkStore(config, context)
  checkWorkers(config, context)
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

/** Whatever the hosts are: two wildcards, or a wildcard and an address of this machine, are in each other's way too. */
function checkManagement ({ server }: SoundConfig, { report }: RuleContext) {
  const port = server?.management?.port
  if (port !== undefined && port !== 0 && port === server?.port) report('/server/management/port', 'must not be server.port, which is public')
}

/** Without a store that both know, one worker would not know whom the other has signed in. */
function checkWorkers ({ server, store }: SoundConfig, { report }: RuleContext) {
  if (server?.workers !== 1 && server?.workers !== undefined && store !== undefined && store.type !== 'redis') {
    report('/server/workers', 'more than one process needs store.type redis: they share nothing else')
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

/** Endpoints of a provider that has no tenants: the one that is configured stands for all its users. */
function checkAuthority ({ entra }: SoundConfig, { report }: RuleContext) {
  const { instance, tenantId, authorityMetadata } = entra ?? {}
  if (authorityMetadata === undefined) return
  const { issuer, authorizationEndpoint, tokenEndpoint, jwksUri, endSessionEndpoint } = authorityMetadata
  const given = [issuer, authorizationEndpoint, tokenEndpoint, jwksUri, endSessionEndpoint].filter(one => one !== undefined)
  if (given.length === 0) return
  const place = '/entra/authorityMetadata'
  if (given.length < 5) report(place, 'must have issuer, authorizationEndpoint, tokenEndpoint, jwksUri and endSessionEndpoint, or none of them')
  if (tenantId !== undefined && !isGuid(tenantId)) report('/entra/tenantId', 'must be a GUID with authorityMetadata: that of the tenant, or one of your own where there are none')
  if (instance === undefined) return
  for (const [name, url] of Object.entries({ authorizationEndpoint, endSessionEndpoint })) {
    if (url !== undefined && new URL(url).origin !== new URL(instance).origin) report(`${place}/${name}`, 'must be at entra.instance, where browsers go')
  }
}

const sharedStores = ['redis', 'postgres', 'mysql', 'sqlite'] as const

function checkStore ({ store, keys }: SoundConfig, context: RuleContext) {
  if (store?.type === undefined) return
  const { type } = store
  const { report } = context
  for (const other of sharedStores) {
    if (other !== type && store[other] !== undefined) report(`/store/${other}`, `is not used with type ${type}: set type to ${other}, or remove it`)
  }
  if (type === 'memory') return
  if (keys === undefined) report('/store/type', `${type} needs keys: replicas must share a key ring, and records are sealed with it`)
  if (store[type] === undefined) report('/store/type', `${type} needs store.${type}, which says where it is`)
  if (store.redis !== undefined) checkRedis(store.redis, context)
  const packages = packagesOf[type].filter(name => !context.hasPackage(name))
  if (packages.length > 0) report('/store/type', `${type} needs packages that are not installed: npm install --save-prod ${packagesOf[type].join(' ')}`)
}

/** What is not installed with the gateway. Without --save-prod npm finds optional peers up to date that are not there. */
const packagesOf: Readonly<Record<(typeof sharedStores)[number], readonly string[]>> = {
  redis: [],
  postgres: ['@keyv/postgres', 'pg'],
  mysql: ['@keyv/mysql'],
  sqlite: ['@keyv/sqlite']
}

function checkRedis (redis: NonNullable<NonNullable<SoundConfig['store']>['redis']>, { report }: RuleContext) {
  const { url, sentinels, cluster, masterName } = redis
  if ([url, sentinels, cluster].filter(place => place !== undefined).length !== 1) {
    report('/store/redis', 'must have exactly one of url, sentinels and cluster')
  }
  if (sentinels !== undefined && masterName === undefined) report('/store/redis/sentinels', 'needs masterName beside it')
}
