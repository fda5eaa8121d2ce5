/**
 * This file runs real Redis servers on loopback: one, a Cluster, or a master with Sentinels. They live in temporary
 * folders and end, by their process ids, with the test.
 */
import { execFile, spawn, type ChildProcess } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { Test } from 'tap'
import type { Authority } from './certificates.ts'
import { freePort } from './ports.ts'

const serverProgram = '/usr/bin/redis-server'
const cliProgram = '/usr/bin/redis-cli'

export interface RedisServer {
  readonly port: number
  /** Runs a command as an administrator would. @returns what redis-cli prints */
  cli (...args: readonly string[]): Promise<string>
  /** SIGSTOP: it keeps its connections and answers nothing. */
  stop (): void
  resume (): void
  /** SIGKILL. Waits until the port is free. */
  kill (): Promise<void>
  /** Starts it again, empty, on the same port and with the same settings. */
  restart (): Promise<void>
}

export interface RedisSettings {
  readonly password?: string
  /** Lines of redis.conf, as `name value`. */
  readonly config?: readonly string[]
  /** Serves TLS only, with a certificate of this authority for 127.0.0.1. */
  readonly authority?: Authority
}

/** Within this a replica has heard of an end at another one. A copy that was told nothing would live for half a minute. */
export const heardMs = 10_000

/** Polls until it is so. @throws after `ms`; the default is a limit for what has none, on machines that are slow or busy */
export async function until (what: string, isSo: () => Promise<boolean> | boolean, ms = 60_000): Promise<void> {
  const endsAt = performance.now() + ms
  while (!await isSo()) {
    if (performance.now() > endsAt) throw new Error(`${what}: not within ${ms} ms`)
    await delay(20)
  }
}

async function launch (
  t: Test, lines: readonly string[], cliArgs: readonly string[] = [], flags: readonly string[] = []
): Promise<RedisServer> {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-redis-'))
  const port = await freePort()
  const file = join(folder, 'redis.conf')
  let child: ChildProcess

  async function start (): Promise<void> {
    writeFileSync(file, [`dir ${folder}`, 'bind 127.0.0.1', 'save ""', ...lines].join('\n').replaceAll('%port%', String(port)) + '\n')
    child = spawn(serverProgram, [file, ...flags], { stdio: 'ignore' })
    await until('a Redis that answers', async () => /PONG|NOAUTH/.test(await cli('ping').catch(() => '')))
  }

  async function kill (): Promise<void> {
    if (child.exitCode !== null || child.signalCode !== null) return
    const ended = new Promise(resolve => { child.once('exit', resolve) })
    child.kill('SIGKILL')
    await ended
  }

  async function cli (...args: readonly string[]): Promise<string> {
    const { stdout } = await promisify(execFile)(cliProgram, ['-p', String(port), '--no-auth-warning', ...cliArgs, ...args], { timeout: 5000 })
    return stdout.trim()
  }

  t.teardown(async () => {
    await kill()
    rmSync(folder, { recursive: true, force: true })
  })
  await start()
  return {
    port,
    cli,
    stop: () => { child.kill('SIGSTOP') },
    resume: () => { child.kill('SIGCONT') },
    kill,
    restart: start
  }
}

/** One server. */
export async function startRedis (t: Test, { password, config = [], authority }: RedisSettings = {}): Promise<RedisServer> {
  const lines = [...config]
  const cliArgs: string[] = []
  if (password !== undefined) {
    lines.push(`requirepass ${password}`)
    cliArgs.push('-a', password)
  }
  if (authority === undefined) return await launch(t, ['port %port%', ...lines], cliArgs)
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-redis-tls-'))
  t.teardown(() => { rmSync(folder, { recursive: true, force: true }) })
  const identity = authority.issue(['127.0.0.1'])
  const files = { cert: identity.cert, key: identity.key, ca: authority.pem }
  for (const [name, pem] of Object.entries(files)) writeFileSync(join(folder, `${name}.pem`), pem)
  lines.push('port 0', 'tls-port %port%', 'tls-auth-clients no',
    `tls-cert-file ${folder}/cert.pem`, `tls-key-file ${folder}/key.pem`, `tls-ca-cert-file ${folder}/ca.pem`)
  return await launch(t, lines, [...cliArgs, '--tls', '--cacert', join(folder, 'ca.pem')])
}

/** Three masters and three replicas; a failed master is replaced within a few seconds. */
export async function startCluster (t: Test): Promise<readonly RedisServer[]> {
  const config = ['port %port%', 'cluster-enabled yes', 'cluster-config-file nodes.conf', 'cluster-node-timeout 1000',
    'cluster-require-full-coverage no', 'repl-diskless-sync-delay 0', 'cluster-replica-validity-factor 0']
  const nodes = await Promise.all(Array.from({ length: 6 }, async () => await launch(t, config)))
  const addresses = nodes.map(({ port }) => `127.0.0.1:${port}`)
  await promisify(execFile)(cliProgram, ['--cluster', 'create', ...addresses, '--cluster-replicas', '1', '--cluster-yes'])
  await until('a Cluster that all nodes agree on', async () => {
    const states = await Promise.all(nodes.map(async node => `${await node.cli('cluster', 'info')} ${await node.cli('info', 'replication')}`))
    return states.every(state => /cluster_state:ok/.test(state) && /role:master|master_link_status:up/.test(state)) &&
      states.filter(state => /role:master/.test(state)).length === 3
  })
  return nodes
}

export interface SentinelWorld {
  readonly master: RedisServer
  readonly replica: RedisServer
  readonly sentinels: readonly RedisServer[]
  readonly masterName: string
}

/** A master, a replica and three Sentinels that fail over within about two seconds. */
export async function startSentinels (t: Test): Promise<SentinelWorld> {
  const masterName = 'main'
  const data = ['port %port%', 'repl-diskless-sync-delay 0']
  const master = await launch(t, data)
  const replica = await launch(t, [...data, `replicaof 127.0.0.1 ${master.port}`])
  await until('a replica that is in sync', async () => (await replica.cli('info', 'replication')).includes('master_link_status:up'))
  const config = ['port %port%', `sentinel monitor ${masterName} 127.0.0.1 ${master.port} 2`,
    `sentinel down-after-milliseconds ${masterName} 500`, `sentinel failover-timeout ${masterName} 3000`]
  const sentinels = await Promise.all(Array.from({ length: 3 }, async () => await launch(t, config, [], ['--sentinel'])))
  await until('Sentinels that know each other and the replica', async () => {
    const views = await Promise.all(sentinels.map(async one => await one.cli('sentinel', 'master', masterName)))
    return views.every(view => /num-slaves\n1\n/.test(view) && /num-other-sentinels\n2\n/.test(view))
  })
  return { master, replica, sentinels, masterName }
}

const shortenScript = `
for _, key in ipairs(redis.call('KEYS', '*')) do
  local left = redis.call('PTTL', key)
  if left >= 0 then redis.call('PEXPIRE', key, left - tonumber(ARGV[1])) end
end`

/** Takes so much off the lifetime of every record: for the records, that time has passed. */
export async function passTime (servers: readonly RedisServer[], ms: number): Promise<void> {
  await Promise.all(servers.map(async server => await server.cli('eval', shortenScript, '0', String(ms))))
}
