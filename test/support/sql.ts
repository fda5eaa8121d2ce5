/**
 * This file runs real databases: PostgreSQL and MariaDB as servers on loopback, SQLite as a file. They live in temporary
 * folders and end, by their process ids, with the test.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { appendFileSync, chownSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { KeyvSqlite } from '@keyv/sqlite'
import type { Test } from 'tap'
import type { Dialect } from '../../src/store/sql/dialect.ts'
import { mysqlDialect } from '../../src/store/sql/mysql.ts'
import { postgresDialect } from '../../src/store/sql/postgres.ts'
import { sqliteDialect } from '../../src/store/sql/sqlite.ts'
import type { Identity } from './certificates.ts'
import { freePort } from './ports.ts'
import { until } from './redis.ts'

const run = promisify(execFile)

/** The password of every server here; no log and no error may show it. */
export const password = 'sql-pass-canary'

/** A place for a store, empty. */
export interface SqlPlace {
  readonly kind: 'postgres' | 'mysql' | 'sqlite'
  /** The `store` block of a config. */
  readonly config: Readonly<Record<string, unknown>>
  /** @param table - the table of the store */
  dialect (table?: string): Dialect
  /** Runs a statement as an administrator would. @returns what the program prints */
  admin (sql: string): Promise<string>
  /** Everything in it, as it is kept. */
  dump (): Promise<string>
}

export interface SqlServer extends SqlPlace {
  readonly port: number
  /** SIGSTOP for all of its processes: it keeps its connections and answers nothing. */
  stop (): Promise<void>
  resume (): Promise<void>
  /** SIGKILL for all of its processes. Waits until they are gone. */
  kill (): Promise<void>
  /** Starts it again with its data, on the same port. */
  restart (): Promise<void>
}

export interface SqlSettings {
  /** Serves TLS, and nothing else to the user of the store. */
  readonly identity?: Identity
}

interface Program {
  readonly port: number
  /** Starts the server in the foreground. */
  launch (): ChildProcess
  /** Throws until it answers. */
  ping (): Promise<unknown>
}

function newFolder (t: Test): string {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-sql-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true, maxRetries: 10 }) })
  return folder
}

/** PostgreSQL refuses to run as root. */
function unprivileged (): { uid?: number, gid?: number } {
  if (process.getuid?.() !== 0) return {}
  const line = readFileSync('/etc/passwd', 'utf8').split('\n').find(one => /^(?:postgres|nobody):/.test(one))
  const [, , uid, gid] = line?.split(':') ?? []
  return { uid: Number(uid), gid: Number(gid) }
}

/** A process and those that it started; PostgreSQL has one for each connection. */
async function familyOf (pid: number): Promise<number[]> {
  const { stdout } = await run('ps', ['-A', '-o', 'pid=,ppid='])
  const pairs = stdout.trim().split('\n').map(line => line.trim().split(/\s+/).map(Number))
  return [pid, ...pairs.flatMap(([child, parent]) => parent === pid ? [child!] : [])]
}

async function signalFamily (pid: number, signal: NodeJS.Signals): Promise<number[]> {
  const family = await familyOf(pid)
  for (const one of family) {
    try {
      process.kill(one, signal)
    } catch {
      // It has ended already.
    }
  }
  return family
}

function isAlive (pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

async function launch (t: Test, { launch, ping, port }: Program): Promise<Omit<SqlServer, keyof SqlPlace>> {
  let child: ChildProcess

  async function start (): Promise<void> {
    child = launch()
    const hasEnded = (): boolean => child.exitCode !== null
    await until('a database that answers', async () => hasEnded() || await ping().then(() => true, () => false), 60_000)
    if (hasEnded()) throw new Error('the database did not start')
  }

  async function kill (): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => { child.once('exit', resolve) })
    const family = await signalFamily(child.pid!, 'SIGKILL')
    await ended
    await until('all processes gone', () => !family.some(isAlive))
  }

  // Registered after the folder's, so it runs before it.
  t.teardown(kill)
  await start()
  return {
    port,
    stop: async () => { await signalFamily(child.pid!, 'SIGSTOP') },
    resume: async () => { await signalFamily(child.pid!, 'SIGCONT') },
    kill,
    restart: start
  }
}

export async function startPostgres (t: Test, { identity }: SqlSettings = {}): Promise<SqlServer> {
  const versions = readdirSync('/usr/lib/postgresql').sort((a, b) => Number(b) - Number(a))
  const bin = (name: string): string => `/usr/lib/postgresql/${versions[0]}/bin/${name}`
  const folder = newFolder(t)
  const owner = unprivileged()
  const own = (path: string): void => { if (owner.uid !== undefined) chownSync(path, owner.uid, owner.gid!) }
  const keep = (name: string, content: string): string => {
    const path = join(folder, name)
    writeFileSync(path, content, { mode: 0o600 })
    own(path)
    return path
  }
  own(folder)
  const data = join(folder, 'data')
  const port = await freePort()
  await run(bin('initdb'), ['-D', data, '-U', 'gw', '-A', 'scram-sha-256', `--pwfile=${keep('password', password)}`, '--no-sync', '-E', 'UTF8', '--locale=C'], owner)
  const settings = ['fsync = off', 'max_connections = 60']
  if (identity !== undefined) {
    settings.push('ssl = on', `ssl_cert_file = '${keep('cert.pem', identity.cert)}'`, `ssl_key_file = '${keep('key.pem', identity.key)}'`)
    writeFileSync(join(data, 'pg_hba.conf'), 'local all all trust\nhostssl all all 127.0.0.1/32 scram-sha-256\n')
  } else appendFileSync(join(data, 'pg_hba.conf'), 'local all all trust\n')
  appendFileSync(join(data, 'postgresql.conf'), settings.join('\n') + '\n')
  const env = { ...process.env, PGPASSWORD: password, PGCONNECT_TIMEOUT: '5' }
  const tool = async (name: string, ...args: readonly string[]): Promise<string> =>
    (await run(bin(name), ['-h', folder, '-p', String(port), '-U', 'gw', ...args], { env, maxBuffer: 1e8 })).stdout
  const admin = async (sql: string): Promise<string> => (await tool('psql', '-d', 'postgres', '-qAt', '-v', 'ON_ERROR_STOP=1', '-c', sql)).trim()
  const server = await launch(t, {
    port,
    launch: () => spawn(bin('postgres'), ['-D', data, '-p', String(port), '-h', '127.0.0.1', '-k', folder], { stdio: 'ignore', ...owner }),
    ping: async () => await admin('SELECT 1')
  })
  const url = `postgres://gw@127.0.0.1:${port}/postgres`
  return {
    ...server,
    kind: 'postgres',
    config: { type: 'postgres', postgres: { url, password } },
    dialect: (table = 'scopegate') => postgresDialect({ url, password, connections: 10, schema: 'public', table }),
    admin,
    dump: async () => await tool('pg_dump', 'postgres')
  }
}

export async function startMysql (t: Test, { identity }: SqlSettings = {}): Promise<SqlServer> {
  const folder = newFolder(t)
  const data = join(folder, 'data')
  const socket = join(folder, 'socket')
  const port = await freePort()
  const owner = process.getuid?.() === 0 ? ['--user=root'] : []
  // What is committed outlives the process, though not the machine: as for PostgreSQL, no test waits for the disk.
  const settings = ['--innodb-flush-log-at-trx-commit=2']
  await run('/usr/bin/mariadb-install-db', ['--no-defaults', `--datadir=${data}`, '--auth-root-authentication-method=normal', '--skip-test-db', ...owner])
  const tls: string[] = []
  if (identity !== undefined) {
    writeFileSync(join(folder, 'cert.pem'), identity.cert)
    writeFileSync(join(folder, 'key.pem'), identity.key)
    tls.push(`--ssl-cert=${join(folder, 'cert.pem')}`, `--ssl-key=${join(folder, 'key.pem')}`)
  }
  const tool = async (name: string, ...args: readonly string[]): Promise<string> =>
    (await run(`/usr/bin/${name}`, ['--no-defaults', `--socket=${socket}`, '--user=root', ...args], { timeout: 20_000, maxBuffer: 1e8 })).stdout
  const admin = async (sql: string): Promise<string> => (await tool('mariadb', '-N', '-B', '-e', sql, 'information_schema')).trim()
  const server = await launch(t, {
    port,
    launch: () => spawn('/usr/sbin/mariadbd', ['--no-defaults', `--datadir=${data}`, `--port=${port}`, '--bind-address=127.0.0.1', `--socket=${socket}`, ...settings, ...owner, ...tls], { stdio: 'ignore' }),
    ping: async () => await admin('SELECT 1')
  })
  await admin(`CREATE DATABASE gw; CREATE USER gw@'127.0.0.1' IDENTIFIED BY '${password}'${identity === undefined ? '' : ' REQUIRE SSL'};
    CREATE USER gw@localhost IDENTIFIED BY '${password}'${identity === undefined ? '' : ' REQUIRE SSL'};
    GRANT ALL ON gw.* TO gw@'127.0.0.1'; GRANT ALL ON gw.* TO gw@localhost`)
  const url = `mysql://gw@127.0.0.1:${port}/gw`
  return {
    ...server,
    kind: 'mysql',
    config: { type: 'mysql', mysql: { url, password } },
    dialect: (table = 'scopegate') => mysqlDialect({ url, password, connections: 10, table }),
    admin: async sql => await admin(`USE gw; ${sql}`),
    dump: async () => await tool('mariadb-dump', '--databases', 'gw')
  }
}

/** A file that is not there yet, in a folder that is. */
export function startSqlite (t: Test): SqlPlace & { readonly file: string } {
  const file = join(newFolder(t), 'store.db')
  let keyv: KeyvSqlite | undefined
  t.teardown(async () => { await keyv?.close() })
  return {
    kind: 'sqlite',
    file,
    config: { type: 'sqlite', sqlite: { file } },
    dialect: (table = 'scopegate') => sqliteDialect({ file, table }),
    async admin (sql) {
      keyv ??= new KeyvSqlite({ uri: `sqlite://${file}`, table: 'of_the_test', busyTimeout: 5000 })
      return (await keyv.query(sql)).map(row => Object.values(row).join('\t')).join('\n')
    },
    dump: async () => readdirSync(join(file, '..')).map(name => readFileSync(join(file, '..', name), 'latin1')).join('\n')
  }
}

/** Takes so much off the lifetime of every record: for the records, that time has passed. */
export async function passTime (place: SqlPlace, ms: number): Promise<void> {
  await place.admin(`UPDATE scopegate SET ends_at = ends_at - ${ms}`)
}
