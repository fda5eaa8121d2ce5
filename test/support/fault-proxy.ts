/**
 * This file is a TCP proxy that can be told to be a bad network: slow, silent, broken, or gone in the middle of an answer.
 */
import { connect, createServer, type AddressInfo, type Socket } from 'node:net'
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
  | { readonly kind: 'cut', readonly afterBytes: number }

export interface FaultProxy {
  readonly port: number
  set (fault: Fault): void
  /** Connections that are open now. */
  connections (): number
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

  function accept (near: Socket): void {
    near.on('error', () => {})
    if (fault.kind === 'reset') {
      near.resetAndDestroy()
      return
    }
    const pair: Pair = { near, far: connect(targetPort, '127.0.0.1'), isDead: false }
    pairs.add(pair)
    pair.far.on('error', () => {})
    near.on('data', chunk => { if (passes(pair)) pair.far.write(chunk) })
    pair.far.on('data', answerThrough(pair))
    near.once('close', () => { end(pair) })
    pair.far.once('close', () => { if (passes(pair)) end(pair) })
  }

  function answerThrough (pair: Pair): (chunk: Buffer) => void {
    let lastAt = 0
    return chunk => {
      if (!passes(pair)) return
      if (fault.kind === 'cut') {
        pair.near.write(chunk.subarray(0, fault.afterBytes), () => { pair.near.resetAndDestroy() })
        fault = { kind: 'pass' }
        return
      }
      const extraMs = fault.kind === 'delay' ? fault.ms + Math.random() * (fault.jitterMs ?? 0) : 0
      lastAt = Math.max(lastAt, performance.now() + extraMs)
      if (lastAt <= performance.now()) pair.near.write(chunk)
      else setTimeout(() => { if (passes(pair)) pair.near.write(chunk) }, lastAt - performance.now()).unref()
    }
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
    if (fault.kind === 'blackhole') for (const pair of pairs) pair.isDead = true
    fault = next
    if (next.kind === 'reset') for (const { near } of pairs) near.resetAndDestroy()
    if (next.kind !== 'half-open') return
    for (const pair of pairs) pair.isDead = true
    fault = { kind: 'pass' }
  }

  const server = createServer(accept)
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const pair of pairs) end(pair)
    await new Promise(resolve => { server.close(resolve) })
  })
  return { port: (server.address() as AddressInfo).port, set, connections: () => pairs.size }
}
