/**
 * This file is a TCP proxy that can be told to be a bad network: slow, silent, broken, or gone in the middle of an answer.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'

export type Fault =
  | { readonly kind: 'pass' }
  /** Every answer takes so much longer, in order. */
  | { readonly kind: 'delay', readonly ms: number, readonly jitterMs?: number }
  /** Connections, old and new, stay open; nothing passes. */
  | { readonly kind: 'blackhole' }
  /** Connections, old and new, are reset. */
  | { readonly kind: 'reset' }
  /** The connections of now are dead without a sign of it; new ones are good. */
  | { readonly kind: 'half-open' }
  /** Of the next answer, on any connection, so many bytes pass; then the connection is reset. Then all is well. */
  | { readonly kind: 'cut', readonly afterBytes: number, readonly afterAnswers?: number }
  /** Commands reach the server, answers do not come back. */
  | { readonly kind: 'one-way' }
  /** The server's side of each connection is closed; what is sent to it is still taken. */
  | { readonly kind: 'half-closed' }
  /** Every command is answered by this error, and reaches no server: for states that a server cannot be put into at will. */
  | { readonly kind: 'reply', readonly error: string }

export interface FaultProxy {
  readonly port: number
  set (fault: Fault): void
  /** Connections that are open now. */
  connections (): number
  /** Those of them through which something can pass. */
  live (): number
}

interface Pair {
  readonly near: Socket
  readonly far: Socket
  isDead: boolean
}

/** @param targetPort - of the server on loopback behind it */
export async function startFaultProxy (t: Test, targetPort: number): Promise<FaultProxy> {
  const pairs = new Set<Pair>()
  let fault: Fault = { kind: 'pass' }
  let answersLeft = 0

  function accept (near: Socket): void {
    near.on('error', () => {})
    if (fault.kind === 'reset') {
      near.resetAndDestroy()
      return
    }
    const pair: Pair = { near, far: connect(targetPort, '127.0.0.1'), isDead: false }
    pairs.add(pair)
    pair.far.on('error', () => {})
    near.on('data', chunk => { pass(pair, chunk) })
    near.once('end', () => { end(pair) })
    if (fault.kind === 'half-closed') near.end()
    pair.far.on('data', answerThrough(pair))
    near.once('close', () => { end(pair) })
    pair.far.once('close', () => { if (passes(pair)) end(pair) })
  }

  function answerThrough (pair: Pair): (chunk: Buffer) => void {
    let lastAt = 0
    let before = Promise.resolve()
    return chunk => {
      if (!passes(pair) || fault.kind === 'one-way') return
      if (fault.kind === 'cut' && answersLeft-- <= 0) {
        pair.near.write(chunk.subarray(0, fault.afterBytes), () => { pair.near.resetAndDestroy() })
        fault = { kind: 'pass' }
        return
      }
      const extraMs = fault.kind === 'delay' ? fault.ms + Math.random() * (fault.jitterMs ?? 0) : 0
      lastAt = Math.max(lastAt, performance.now() + extraMs)
      before = passLater(pair, chunk, { before, at: lastAt })
    }
  }

  /** Timers of the same millisecond come in any order, so each chunk also waits for the one before it. */
  async function passLater (pair: Pair, chunk: Buffer, { before, at }: { before: Promise<void>, at: number }): Promise<void> {
    const leftMs = at - performance.now()
    if (leftMs > 0) await delay(leftMs, undefined, { ref: false })
    await before
    if (passes(pair)) pair.near.write(chunk)
  }

  function pass (pair: Pair, chunk: Buffer): void {
    if (fault.kind === 'reply') pair.near.write(`-${fault.error}\r\n`.repeat(commandsIn(chunk)))
    else if (passes(pair)) pair.far.write(chunk)
  }

  function passes (pair: Pair): boolean {
    return !pair.isDead && fault.kind !== 'blackhole'
  }

  function end (pair: Pair): void {
    pairs.delete(pair)
    pair.near.destroy()
    pair.far.destroy()
  }

  function set (next: Fault): void {
    // What a hole has swallowed stays swallowed: its connections do not come back to life half-way through an answer.
    if (fault.kind === 'blackhole' || fault.kind === 'one-way') for (const pair of pairs) pair.isDead = true
    fault = next
    if (next.kind === 'cut') answersLeft = next.afterAnswers ?? 0
    if (next.kind === 'half-closed') for (const { near } of pairs) near.end()
    if (next.kind === 'reset') for (const { near } of pairs) near.resetAndDestroy()
    if (next.kind !== 'half-open') return
    for (const pair of pairs) pair.isDead = true
    fault = { kind: 'pass' }
  }

  const server = createServer({ allowHalfOpen: true }, accept)
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const pair of pairs) end(pair)
    await new Promise(resolve => { server.close(resolve) })
  })
  return {
    port: (server.address() as AddressInfo).port,
    set,
    connections: () => pairs.size,
    live: () => [...pairs].filter(passes).length
  }
}

/** How many commands begin in a chunk: each is an array, and no argument of ours looks like one. */
function commandsIn (chunk: Buffer): number {
  return chunk.toString('latin1').match(/\*\d+\r\n\$/g)?.length ?? 0
}
