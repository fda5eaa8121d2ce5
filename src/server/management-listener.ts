/**
 * This file listens for management: a server of its own, which belongs to the process and outlives every gateway in it.
 */
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

type Handler = (request: IncomingMessage, response: ServerResponse) => void

export interface ManagementListener {
  listen (): Promise<AddressInfo>
  /** From now on requests go to this handler: that of the gateway that now serves. */
  handle (next: Handler): void
  /** Ends all connections at once: nothing here is worth waiting for. */
  close (): Promise<void>
}

/** Where to listen. */
export interface Place {
  readonly host: string
  readonly port: number
}

/** Probes, a scraper and administrators: few, quick and small. */
const limits = {
  maxHeaderSize: 8192,
  headersTimeout: 5000,
  requestTimeout: 10_000,
  connectionsCheckingInterval: 2000,
  keepAliveTimeout: 30_000
} as const
const maxConnections = 64
const requestsPerSocket = 100

export function createManagementListener (place: Place, first: Handler): ManagementListener {
  let handler = first
  const server = createServer(limits, (request, response) => { handler(request, response) })
  server.maxConnections = maxConnections
  server.maxRequestsPerSocket = requestsPerSocket

  return {
    async listen () {
      await new Promise<void>((resolve, reject) => {
        server.once('error', reject)
        server.listen(place.port, place.host, () => {
          server.off('error', reject)
          resolve()
        })
      })
      return server.address() as AddressInfo
    },
    handle (next) { handler = next },
    async close () {
      await new Promise<void>(resolve => {
        server.close(() => { resolve() })
        server.closeAllConnections()
      })
    }
  }
}
