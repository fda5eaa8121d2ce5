/**
 * This file opens connections to Redis. A connection is tried once and never mends itself: the client library would
 * queue, redirect and reconnect on its own terms, for ever and to addresses that have moved. `link.ts` opens the next one.
 */
import { createClient, createCluster } from '@keyv/redis'
import { withDeadline } from '../deadline.ts'
import { type Address, type Credentials, readCredentials, readTls, type Target, type TlsFiles } from './options.ts'

/** One server's client. */
export type Client = ReturnType<typeof createClient>
type Cluster = ReturnType<typeof createCluster>

/** The commands that the store uses, alike on one server and on a Cluster. */
export type Commands = Pick<Client, 'get' | 'set' | 'eval' | 'sMembers' | 'publish'>

export interface Connection {
  readonly commands: Commands
  /** The same, as @keyv/redis takes it. */
  readonly client: Client | Cluster
  /** Whether commands can be sent at all. */
  isUsable (): boolean
  /** @throws when it does not answer in time, or must not be written to */
  check (): Promise<void>
  /** What INFO says about memory, of each server. @throws also when the user may not ask */
  memoryInfo (): Promise<readonly string[]>
  close (): Promise<void>
}

export type OnLost = (cause: unknown) => void

const infoMemory = ['INFO', 'memory']
const connectTimeout = 1000
/** An idle socket that is silent for so long is dropped; the checks of `link.ts` keep a good one from being idle. */
const socketTimeout = 1500
/** Answers outstanding per server: far above what 500 ms deadlines leave room for. */
const commandsQueueMaxLength = 20_000

/** Everything but the address. */
async function clientOptions (tls: TlsFiles | undefined, credentials: Credentials) {
  return {
    socket: {
      connectTimeout,
      socketTimeout,
      reconnectStrategy: false as const,
      ...(tls && { tls: true as const, ...await readTls(tls) })
    },
    // A Cluster's client opens further connections later: they too must read the file again.
    credentialsProvider: { type: 'async-credentials-provider' as const, credentials: async () => await readCredentials(credentials) },
    disableOfflineQueue: true,
    disableClientInfo: true,
    maintNotifications: 'disabled' as const,
    commandsQueueMaxLength
  }
}

/** @throws what kept it from being there and signed in */
export async function connectTo (address: Address, target: Pick<Target, 'tls' | 'credentials'>, onLost: OnLost, database = 0): Promise<Client> {
  const { socket, ...options } = await clientOptions(target.tls, target.credentials)
  const client: Client = createClient({ ...options, database, socket: { ...socket, ...address } })
  client.on('error', onLost)
  await client.connect()
  return client
}

/** Ends a client at once; commands under way fail. The library throws for one that has ended already. */
export function disconnect (client: Client): void {
  if (client.isOpen) client.destroy()
}

/** A connection to the one server that takes writes. */
export async function connectToMaster (address: Address, target: Target, onLost: OnLost): Promise<Connection> {
  const { topology } = target
  const client = await connectTo(address, target, onLost, topology.kind === 'standalone' ? topology.database : 0)
  const connection: Connection = {
    client,
    commands: client,
    isUsable: () => client.isReady,
    check: async () => { await checkMaster(client) },
    memoryInfo: async () => [String(await withDeadline(client.sendCommand(infoMemory)))],
    close: async () => { disconnect(client) }
  }
  return await checked(connection)
}

export async function connectToCluster (nodes: readonly Address[], target: Target, onLost: OnLost): Promise<Connection> {
  const cluster: Cluster = createCluster({
    rootNodes: nodes.map(({ host, port }) => ({ socket: { host, port } })),
    defaults: await clientOptions(target.tls, target.credentials)
  })
  // The first cause says more than the "none of the root nodes is available" that follows it.
  let cause: unknown
  cluster.on('error', error => { cause ??= error })
  cluster.on('node-error', onLost)
  try {
    await cluster.connect()
  } catch (error) {
    await closeCluster(cluster)
    throw cause ?? error
  }
  const connection: Connection = {
    client: cluster,
    commands: cluster as unknown as Commands,
    isUsable: () => cluster.isOpen,
    check: async () => { await askMasters(cluster, ['PING']) },
    memoryInfo: async () => (await askMasters(cluster, infoMemory)).map(String),
    close: async () => { await closeCluster(cluster) }
  }
  return await checked(connection)
}

async function askMasters (cluster: Cluster, command: readonly string[]): Promise<unknown[]> {
  return await Promise.all(cluster.masters.map(async master => {
    const client = await withDeadline(cluster.nodeClient(master))
    return await withDeadline(client.sendCommand(command))
  }))
}

async function checked (connection: Connection): Promise<Connection> {
  try {
    await connection.check()
    return connection
  } catch (error) {
    await connection.close()
    throw error
  }
}

/** PING fails while the data set is being loaded. The role is asked by HELLO, which every user may call, unlike ROLE and INFO. */
async function checkMaster (client: Client): Promise<void> {
  const [, hello] = await withDeadline(Promise.all([client.sendCommand(['PING']), client.sendCommand(['HELLO'])]))
  const fields = hello as unknown as unknown[]
  if (fields[fields.indexOf('role') + 1] !== 'master') throw new Error('this Redis is a replica')
}

/** The library's own destroy() stops at the first node that is closed already, and forgets those that are being connected. */
async function closeCluster (cluster: Cluster): Promise<void> {
  const nodes = [...cluster.nodeByAddress.values()]
  await Promise.allSettled(nodes.map(node => node.connectPromise))
  for (const { client } of nodes) if (client?.isOpen === true) client.destroy()
}
