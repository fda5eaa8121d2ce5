/** This file says in words what is wrong with a store, and what to do about it. */
import type { Config } from '../../config/schema.ts'
import { targetOf } from '../../store/redis/options.ts'
import { replyCodeOf } from '../../store/redis/reply.ts'
import { type Place, troubleWith } from './trouble.ts'

type Settings = Config['store']

/** It answers, and has not kept what it took. */
export class ForgetfulStore extends Error {
  override readonly name = 'ForgetfulStore'
}

/** Where a store is, without its credentials. */
export function storePlace ({ redis, postgres, mysql, sqlite }: Settings): Place {
  if (redis !== undefined) return { at: redisAt(redis), ...redisKeys }
  if (postgres !== undefined) return { at: hostOf(postgres.url, 5432), caKey: 'store.postgres.tls.caFile' }
  if (mysql !== undefined) return { at: hostOf(mysql.url, 3306), caKey: 'store.mysql.tls.caFile' }
  return { at: sqlite!.file, caKey: '' }
}

const redisKeys = {
  caKey: 'store.redis.tls.caFile', serverNameKey: 'store.redis.tls.serverName', schemes: { tls: 'rediss:', plain: 'redis:' }
}

function redisAt (settings: NonNullable<Settings['redis']>): string {
  const { topology } = targetOf(settings)
  const addresses = topology.kind === 'standalone' ? [topology.address] : topology.kind === 'sentinel' ? topology.sentinels : topology.nodes
  return addresses.map(({ host, port }) => `${host}:${port}`).join(', ')
}

function hostOf (url: string, defaultPort: number): string {
  const { hostname, port } = new URL(url)
  return `${hostname}:${port === '' ? defaultPort : port}`
}

const password = 'it refuses the user name or password: mend them in the store\'s settings'
const replica = 'it takes no writes: name the master, or the Sentinels that know it'

/** By the code of Redis's reply, or of the database. */
const answers: Readonly<Record<string, string>> = {
  NOAUTH: 'it wants a password: set store.redis.password or passwordFile',
  WRONGPASS: password,
  NOPERM: 'its user may not do all that the gateway needs: docs/redis.md lists the commands; keys and channels begin with keyPrefix',
  OOM: 'its memory is full: raise maxmemory',
  LOADING: 'it is still loading its data: try again in a while',
  READONLY: replica,
  MASTERDOWN: 'it has lost its master',
  CLUSTERDOWN: 'the Cluster is down: look at its nodes',
  MOVED: 'it is a node of a Cluster: name nodes in store.redis.cluster instead of a url',
  MISCONF: 'it cannot save its data to disk and takes no writes: look at its log',
  '28P01': password,
  28000: password,
  '3D000': 'it has no such database: create it, or mend the url',
  42501: 'its user may not make or use the table: grant that, or name another schema or table',
  ER_ACCESS_DENIED_ERROR: password,
  ER_DBACCESS_DENIED_ERROR: 'its user may not use the database: grant that',
  ER_BAD_DB_ERROR: 'it has no such database: create it, or mend the url',
  SQLITE_CANTOPEN: 'the file cannot be opened: does its folder exist, and may this user write there?',
  SQLITE_READONLY: 'the file cannot be written: may this user write there?',
  SQLITE_NOTADB: 'the file is no SQLite database'
}

/** What the store itself found out, in its own words. */
const sentences: Readonly<Record<string, string>> = {
  'this Redis is a replica': replica,
  'this server takes no writes': 'it takes no writes: name the primary',
  'this Sentinel does not know the master': 'the Sentinels know no master of that name: mend store.redis.masterName'
}

export function storeTrouble (place: Place, error: unknown): string {
  if (error instanceof ForgetfulStore) return 'it answers, but did not keep what it took: does another program delete its records?'
  const cause = innermost(error)
  const said = sentences[cause instanceof Error ? cause.message : '']
  if (said !== undefined) return said
  const code = replyCodeOf(cause) ?? (cause as { code?: unknown }).code
  if (typeof code === 'string' && Object.hasOwn(answers, code)) return answers[code]!
  return replyCodeOf(cause) === undefined ? troubleWith(place, cause) : `it refuses: ${replyCodeOf(cause)}`
}

/** `SG_STORE_UNAVAILABLE` is how the store wraps what happened. */
function innermost (error: unknown): unknown {
  return error instanceof Error && error.cause instanceof Error ? innermost(error.cause) : error
}
