/**
 * This file says how a Redis is reached: one server, a master that Sentinels name, or a Cluster; with which files and
 * secrets.
 */
import { readFile } from 'node:fs/promises'

export interface Address {
  readonly host: string
  readonly port: number
}

export interface Credentials {
  readonly username?: string | undefined
  readonly password?: string | undefined
  /** Read again for every connection, so that a rotated password needs no restart. Wins over `password`. */
  readonly passwordFile?: string | undefined
}

/** PEM files, read again for every connection. The chain and the name of the server are always verified. */
export interface TlsFiles {
  readonly caFile?: string | undefined
  readonly certFile?: string | undefined
  readonly keyFile?: string | undefined
  /** The name to expect in certificates, where servers are reached by addresses that are not in them. */
  readonly serverName?: string | undefined
}

/** Where the records are. */
export type Topology =
  | { readonly kind: 'standalone', readonly address: Address, readonly database: number }
  | { readonly kind: 'sentinel', readonly sentinels: readonly Address[], readonly masterName: string, readonly credentials: Credentials }
  | { readonly kind: 'cluster', readonly nodes: readonly Address[] }

export interface Target {
  readonly topology: Topology
  readonly credentials: Credentials
  /** Undefined: no TLS. */
  readonly tls: TlsFiles | undefined
}

/** Exactly one of `url`, `sentinels` and `cluster`. */
export interface RedisTargetOptions extends Credentials {
  /** `redis://` or, with TLS, `rediss://`; may carry user, password and the number of a database. */
  readonly url?: string | undefined
  readonly sentinels?: readonly Address[] | undefined
  /** What the Sentinels call the master. */
  readonly masterName?: string | undefined
  /** For the Sentinels themselves, which often have other credentials than the master, or none. */
  readonly sentinelCredentials?: Credentials | undefined
  /** Some nodes of the Cluster; they tell the rest. */
  readonly cluster?: readonly Address[] | undefined
  readonly tls?: TlsFiles | undefined
}

/** @throws TypeError the options name no place or several; the message quotes nothing of them */
export function targetOf (options: RedisTargetOptions): Target {
  const { url, sentinels = [], masterName, sentinelCredentials = {}, cluster = [], tls } = options
  if (Number(url !== undefined) + Number(sentinels.length > 0) + Number(cluster.length > 0) !== 1) {
    throw new TypeError('a Redis is reached by exactly one of url, sentinels and cluster')
  }
  const credentials: Credentials = { username: options.username, password: options.password, passwordFile: options.passwordFile }
  if (url !== undefined) return standaloneTarget(url, credentials, tls)
  if (cluster.length > 0) return { topology: { kind: 'cluster', nodes: cluster }, credentials, tls }
  if (masterName === undefined) throw new TypeError('sentinels need the name of the master')
  return { topology: { kind: 'sentinel', sentinels, masterName, credentials: sentinelCredentials }, credentials, tls }
}

/** The URL is taken apart here: given to the client library it would win over the password file. */
function standaloneTarget (text: string, credentials: Credentials, tls: TlsFiles | undefined): Target {
  const url = URL.canParse(text) ? new URL(text) : undefined
  const database = Number(url?.pathname.slice(1))
  if (url === undefined || !/^rediss?:$/.test(url.protocol) || url.hostname === '' || !Number.isInteger(database)) {
    throw new TypeError('the url of a Redis is redis://host:port/database, or rediss:// with TLS')
  }
  const [username, password] = [url.username, url.password].map(part => part === '' ? undefined : decodeURIComponent(part))
  return {
    topology: {
      kind: 'standalone',
      address: { host: url.hostname.replace(/^\[|\]$/g, ''), port: url.port === '' ? 6379 : Number(url.port) },
      database
    },
    credentials: {
      username: credentials.username ?? username,
      password: credentials.password ?? password,
      passwordFile: credentials.passwordFile
    },
    tls: url.protocol === 'rediss:' ? tls ?? {} : tls
  }
}

/** What a connection signs in with, as it stands now. */
export async function readCredentials (credentials: Credentials): Promise<{ username?: string, password?: string }> {
  const { username, password, passwordFile } = credentials
  // Editors and secret mounts end files with a line break that is not part of the password.
  const current = passwordFile === undefined ? password : (await readFile(passwordFile, 'utf8')).replace(/\r?\n$/, '')
  return { ...(username !== undefined && { username }), ...(current !== undefined && { password: current }) }
}

interface TlsOptions {
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly servername?: string
}

/** What `tls.connect` needs, as it stands now. */
export async function readTls ({ caFile, certFile, keyFile, serverName }: TlsFiles): Promise<TlsOptions> {
  const read = async (file: string | undefined) => file === undefined ? undefined : await readFile(file, 'utf8')
  const [ca, cert, key] = await Promise.all([read(caFile), read(certFile), read(keyFile)])
  return {
    ...(ca !== undefined && { ca }),
    ...(cert !== undefined && { cert }),
    ...(key !== undefined && { key }),
    ...(serverName !== undefined && { servername: serverName })
  }
}
