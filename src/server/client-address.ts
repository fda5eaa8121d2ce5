/**
 * This file finds out which address a request comes from, behind the proxies that the config trusts and no others.
 */
import type { IncomingMessage } from 'node:http'
import { BlockList, isIP } from 'node:net'
import type { PeerOf } from '../proxy/peers.ts'

/** @param blocks - addresses and CIDR blocks, as the config has them */
export function trustedProxies (blocks: readonly string[]): (address: string) => boolean {
  if (blocks.length === 0) return () => false
  const list = new BlockList()
  for (const block of blocks) {
    const [address, bits] = block.split('/') as [string, string?]
    const family = address.includes(':') ? 'ipv6' : 'ipv4'
    if (bits === undefined) list.addAddress(address, family)
    else list.addSubnet(address, Number(bits), family)
  }
  return address => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4')
}

/**
 * The peer's address, or the right-most one of X-Forwarded-For that no trusted proxy has (security.md, H5): what stands
 * further left, whoever sent the request wrote himself.
 */
export function clientAddresses (peerOf: PeerOf, isTrusted: (address: string) => boolean): (request: IncomingMessage) => string {
  return request => {
    const peer = peerOf(request)
    if (!peer.isTrusted) return peer.address
    let { address } = peer
    const field = request.headers['x-forwarded-for']
    // Node joins several fields of the name to one text.
    for (let rest = typeof field === 'string' ? field : ''; rest !== '';) {
      const comma = rest.lastIndexOf(',')
      const next = bareAddress(rest.slice(comma + 1).trim())
      if (next === undefined) break
      address = next
      rest = comma < 0 || !isTrusted(address) ? '' : rest.slice(0, comma)
    }
    return address
  }
}

/** Some proxies write the port too, and IPv6 addresses in brackets. */
function bareAddress (text: string): string | undefined {
  const bare = /^\[(.+)\](?::\d+)?$/.exec(text)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(text)?.[1] ?? text
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare
  return isIP(mapped) === 0 ? undefined : mapped
}
