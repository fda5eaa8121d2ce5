/**
 * This file is a small TCP load balancer: it takes backends in turn, leaves out those whose probe says so, and tries the
 * next one when a connection cannot be made. What has been sent to a backend is never sent again.
 */
import { once } from 'node:events'
import { connect, createServer, type Socket } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { isReady } from './replicas.ts'

export interface Backend {
  readonly port: number
  /** Asked all the time; without one a backend is left out only when nobody listens there. */
  readonly readyUrl?: string
}

export interface Balancer {
  add (backend: Backend): void
  remove (backend: Backend): void
  /** Whether new connections are for that backend too. */
  isIn (backend: Backend): boolean
  /** Connections to that backend that are open now. */
  openTo (backend: Backend): number
  /** Local ports of the clients whose connections have ever led to that backend. */
  clientsOf (backend: Backend): ReadonlySet<number>
}

const probeEveryMs = 200

export async function startBalancer (t: Test, port: number): Promise<Balancer> {
  const backends = new Map<Backend, { isIn: boolean }>()
  const pairs = new Map<Socket, Backend>()
  const clients = new Map<number, Set<number>>()
  let turn = 0

  async function accept (near: Socket): Promise<void> {
    near.on('error', () => {})
    const inService = [...backends].filter(([, { isIn }]) => isIn).map(([backend]) => backend)
    const first = turn++
    for (let tries = 0; tries < inService.length; tries++) {
      const backend = inService[(first + tries) % inService.length]!
      const far = await connected(backend.port)
      if (far !== undefined) {
        join(near, far, backend)
        return
      }
    }
    near.destroy()
  }

  function join (near: Socket, far: Socket, backend: Backend): void {
    if (near.destroyed) {
      far.destroy()
      return
    }
    pairs.set(near, backend)
    clients.set(backend.port, new Set(clients.get(backend.port)).add(near.remotePort ?? 0))
    far.on('error', () => {})
    near.pipe(far).pipe(near)
    near.once('close', () => {
      pairs.delete(near)
      far.destroy()
    })
    // What it has sent goes on to the client first. Without a reader, the client's own end would never be seen.
    far.once('close', hadError => {
      if (hadError) near.destroy()
      else near.destroySoon()
    })
  }

  async function probe (backend: Backend, state: { isIn: boolean }): Promise<void> {
    while (backends.get(backend) === state) {
      if (backend.readyUrl !== undefined) state.isIn = await isReady(backend.readyUrl)
      await delay(probeEveryMs, undefined, { ref: false })
    }
  }

  const server = createServer({ pauseOnConnect: true, noDelay: true }, near => { accept(near).catch(() => { near.destroy() }) })
  server.listen(port, '127.0.0.1')
  await once(server, 'listening')
  t.teardown(async () => {
    backends.clear()
    for (const near of pairs.keys()) near.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  return {
    add (backend) {
      const state = { isIn: backend.readyUrl === undefined }
      backends.set(backend, state)
      probe(backend, state).catch(() => { state.isIn = false })
    },
    remove (backend) { backends.delete(backend) },
    isIn: backend => backends.get(backend)?.isIn === true,
    openTo: ({ port }) => [...pairs.values()].filter(backend => backend.port === port).length,
    clientsOf: ({ port }) => clients.get(port) ?? new Set()
  }
}

async function connected (port: number): Promise<Socket | undefined> {
  const far = connect({ port, host: '127.0.0.1', noDelay: true })
  return await once(far, 'connect').then(() => far, () => undefined)
}
