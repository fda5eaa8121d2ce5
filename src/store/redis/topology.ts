/** This file finds the server to connect to, for every topology. */
import { type Client, connectTo, connectToCluster, connectToMaster, type Connection, disconnect, type OnLost } from './connect.ts'
import { withDeadline } from '../deadline.ts'
import type { Address, Target } from './options.ts'

/** A connection for records: the master, wherever it is now, or all masters of a Cluster. */
export async function openConnection (target: Target, onLost: OnLost): Promise<Connection> {
  const { topology } = target
  switch (topology.kind) {
    case 'standalone': return await connectToMaster(topology.address, target, onLost)
    case 'sentinel': return await connectToMaster(await askSentinels(target), target, onLost)
    case 'cluster': return await connectToCluster(topology.nodes, target, onLost)
  }
}

/** A connection for messages: in a Cluster any node will do, each passes on what was published at any other. */
export async function openMessageClient (target: Target, onLost: OnLost): Promise<Client> {
  const { topology } = target
  switch (topology.kind) {
    case 'standalone': return await connectTo(topology.address, target, onLost)
    case 'sentinel': return await connectTo(await askSentinels(target), target, onLost)
    case 'cluster': return await firstOf(shuffled(topology.nodes), async node => await connectTo(node, target, onLost))
  }
}

/**
 * The master's address as the Sentinels see it. It may have failed a moment ago, or be demoted when we get there: the
 * connection checks its role, and the next try asks again. The library's own Sentinel client is not used: while it
 * looks for a master every command waits inside it instead of failing, and it prints its errors to standard output.
 *
 * @see https://redis.io/docs/latest/develop/reference/sentinel-clients/
 */
async function askSentinels ({ topology, tls }: Target): Promise<Address> {
  if (topology.kind !== 'sentinel') throw new TypeError('there are no sentinels to ask')
  const { sentinels, masterName, credentials } = topology
  return await firstOf(sentinels, async address => {
    const client = await connectTo(address, { tls, credentials }, () => {})
    try {
      const reply = await withDeadline(client.sendCommand(['SENTINEL', 'GET-MASTER-ADDR-BY-NAME', masterName]))
      if (!Array.isArray(reply)) throw new Error('this Sentinel does not know the master')
      return { host: String(reply[0]), port: Number(reply[1]) }
    } finally {
      disconnect(client)
    }
  })
}

/** @throws what the last one failed with, when all did */
async function firstOf<T> (addresses: readonly Address[], attempt: (address: Address) => Promise<T>): Promise<T> {
  let cause: unknown
  for (const address of addresses) {
    try {
      return await attempt(address)
    } catch (error) {
      cause = error
    }
  }
  throw cause
}

function shuffled<T> (items: readonly T[]): T[] {
  const start = Math.floor(Math.random() * items.length)
  return [...items.slice(start), ...items.slice(0, start)]
}
