/**
 * This file knows who is at the other end of a connection, and whether it is a proxy that the config trusts: asked for by each
 * request, found out once per connection, as neither changes before it ends.
 */
import type { IncomingMessage } from 'node:http'
import type { Socket } from 'node:net'

export interface Peer {
  /** IPv4 in its own form also on a dual-stack socket; empty when the connection has ended. */
  readonly address: string
  /** Whether what it says about other hops is believed: addresses, request ids, trace contexts. */
  readonly isTrusted: boolean
}

export type PeerOf = (request: Pick<IncomingMessage, 'socket'>) => Peer

/** @param isTrusted - whether an address is one of `server.trustedProxies` */
export function createPeers (isTrusted: (address: string) => boolean): PeerOf {
  // Of one gateway, whose config may trust others than the one before; an entry goes with its connection.
  const peers = new WeakMap<Socket, Peer>()

  function meet (socket: Socket): Peer {
    const address = addressOf(socket)
    // One that is gone says nothing any more, and is no address that could be looked for.
    const peer = { address, isTrusted: address !== '' && isTrusted(address) }
    peers.set(socket, peer)
    return peer
  }

  return ({ socket }) => peers.get(socket) ?? meet(socket)
}

function addressOf ({ remoteAddress = '' }: Socket): string {
  return remoteAddress.startsWith('::ffff:') ? remoteAddress.slice(7) : remoteAddress
}
