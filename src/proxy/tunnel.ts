/**
 * This file joins two sockets into one WebSocket connection, watches it, and ends it in good order.
 */
import type { Duplex } from 'node:stream'
import { Direction } from './direction.ts'

/** Close codes that the gateway sends (RFC 6455, section 7.4.1, and IANA's registry of them). */
export const closeCodes = { goingAway: 1001, policy: 1008, upstreamBroken: 1011, restart: 1012, tryAgainLater: 1013 } as const
export type CloseCode = typeof closeCodes[keyof typeof closeCodes] | 1002 | 1009

export interface TunnelOptions {
  readonly client: Duplex
  readonly upstream: Duplex
  readonly maxMessageBytes: number
  /** Default 30 s. A client that is silent for a whole interval after a ping is gone. */
  readonly pingMs?: number
  /** Told once when both sockets are closed. */
  readonly onOver: (reason: string) => void
}

export interface Tunnel {
  /** Closes both sides at the next gap between frames, and cuts them when that does not come soon. */
  close (code: CloseCode, reason: string): void
}

const defaultPingMs = 30_000
/** For the rest of a frame, and for the other side's goodbye, after we said ours. */
const politeMs = 2000
/** For the rest of a goodbye that the sides say to each other, and for what is still on its way then. */
const lingerMs = 10_000

export function joinSockets (options: TunnelOptions): Tunnel {
  const { client, upstream, maxMessageBytes, pingMs = defaultPingMs, onOver } = options
  let reason = 'closed'
  let isAsked = false
  let open = 2
  let cut: NodeJS.Timeout | undefined

  const up = new Direction({
    sender: 'client', from: client, to: upstream, maxMessageBytes, onClose: linger, onFlaw: flaw => { end(flaw, closeCodes.goingAway, `client ${flaw}`) }
  })
  const down = new Direction({
    sender: 'server', from: upstream, to: client, maxMessageBytes, onClose: linger, onFlaw: flaw => { end(closeCodes.upstreamBroken, flaw, `upstream ${flaw}`) }
  })
  const pings = setInterval(watch, pingMs)

  for (const [socket, other] of [[client, upstream], [upstream, client]] as const) {
    socket.on('error', () => {})
    socket.once('end', () => {
      other.end()
      linger()
    })
    socket.once('close', () => {
      other.end()
      cutAfter(politeMs)
      if (--open === 0) over()
    })
  }

  /** Every interval: whoever does not read, or is not there any more, holds nothing for long. */
  function watch (): void {
    const [fromClient, fromUpstream] = [up.progress(), down.progress()]
    if (fromClient.isStalled || fromUpstream.isStalled) {
      end(closeCodes.tryAgainLater, closeCodes.tryAgainLater, fromClient.isStalled ? 'upstream stalled' : 'client stalled')
    } else if (isAsked && !fromClient.isHeard && !client.isPaused()) {
      reason = 'client gone'
      client.destroy()
    } else isAsked = down.ping()
  }

  function end (toClient: number, toUpstream: number, why: string): void {
    reason = why
    up.close(toUpstream)
    down.close(toClient)
    cutAfter(politeMs)
  }

  function linger (): void {
    if (cut === undefined) cutAfter(lingerMs)
  }

  function cutAfter (ms: number): void {
    clearTimeout(cut)
    clearInterval(pings)
    cut = setTimeout(() => {
      client.destroy()
      upstream.destroy()
    }, ms)
  }

  function over (): void {
    clearTimeout(cut)
    clearInterval(pings)
    onOver(reason)
  }

  return { close: (code, why) => { end(code, closeCodes.goingAway, why) } }
}
