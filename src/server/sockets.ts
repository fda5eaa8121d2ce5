/**
 * This file holds what a process listens on: the public port, and the management port where there is one. Both outlive the
 * gateways that they serve.
 */
import type { AddressInfo } from 'node:net'
import type { Config } from '../config/schema.ts'
import type { Logger } from '../telemetry/log.ts'
import type { Gateway } from './gateway.ts'
import { createListener, type Drain } from './listener.ts'
import { createManagementListener, type Place } from './management-listener.ts'

export interface Sockets {
  /** @throws an Error whose message says where nobody can listen */
  listen (): Promise<Listening>
  /** Hands every further request to another gateway. */
  serve (next: Gateway): void
  /** Ends the public port. */
  drain (drain: Drain): Promise<void>
  /** Ends the management port: last, so that whoever probes sees a process that is alive and not ready until it has ended. */
  close (): Promise<void>
}

export interface Listening {
  readonly address: string
  readonly port: number
  readonly managementPort: number | undefined
}

export function createSockets (config: Config['server'], first: Gateway, log: Logger): Sockets {
  const listener = createListener(config, first, log)
  const place = config.management
  const management = place && createManagementListener(place, first.management)

  return {
    async listen () {
      const { address, port } = await listenAt(listener, config)
      const managed = place && management && await listenAt(management, place)
      return { address, port, managementPort: managed?.port }
    },
    serve (next) {
      listener.serve(next)
      management?.handle(next.management)
    },
    drain: listener.close,
    async close () { await management?.close() }
  }
}

async function listenAt (listener: { listen (): Promise<AddressInfo> }, { host, port }: Place): Promise<AddressInfo> {
  return await listener.listen().catch((cause: NodeJS.ErrnoException) => {
    throw new Error(`cannot listen on ${host}:${port}: ${cause.code}`, { cause })
  })
}
