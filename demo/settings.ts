/**
 * This file knows where the parts of the demo listen, and how the environment changes that.
 */
import { resolve } from 'node:path'
import { fileIn } from './files.ts'

/** What listens. */
export type Part = 'gateway' | 'management' | 'emulator' | 'legacy' | 'orders' | 'graph'

interface Place {
  readonly title: string
  /** Names another port; 0 takes any free one. */
  readonly variable: string
  readonly port: number
}

const places: Readonly<Record<Part, Place>> = {
  gateway: { title: 'gateway', variable: 'DEMO_GATEWAY_PORT', port: 8080 },
  management: { title: 'management listener', variable: 'DEMO_MANAGEMENT_PORT', port: 9090 },
  emulator: { title: 'Entra ID emulator', variable: 'DEMO_EMULATOR_PORT', port: 8443 },
  legacy: { title: 'legacy app', variable: 'DEMO_LEGACY_PORT', port: 3001 },
  orders: { title: 'orders API', variable: 'DEMO_ORDERS_PORT', port: 3002 },
  graph: { title: 'Graph-like API', variable: 'DEMO_GRAPH_PORT', port: 3003 }
}

/** What can be different from one run to another. */
export interface Settings {
  readonly ports: Readonly<Record<Part, number>>
  /** Keeps the emulator's certificates between runs, so that a browser has to be told about them once. */
  readonly tlsFolder: string
}

/** Something that whoever started the demo can mend; its message says how. */
export class DemoFailure extends Error {}

/**
 * Reads `DEMO_..._PORT` of every part and `DEMO_TLS_FOLDER`.
 *
 * @throws DemoFailure a variable does not hold a port
 */
export function readSettings (env: Readonly<Record<string, string | undefined>>): Settings {
  const portOf = (part: Part): number => {
    const { variable, port } = places[part]
    return readPort(variable, env[variable] ?? String(port))
  }
  return {
    ports: {
      gateway: portOf('gateway'),
      management: portOf('management'),
      emulator: portOf('emulator'),
      legacy: portOf('legacy'),
      orders: portOf('orders'),
      graph: portOf('graph')
    },
    tlsFolder: resolve(env.DEMO_TLS_FOLDER ?? fileIn('emulator/.tls'))
  }
}

function readPort (variable: string, text: string): number {
  const port = Number(text)
  if (!/^\d+$/.test(text) || port > 65_535) throw new DemoFailure(`${variable} must be a port: a number from 0 to 65535.`)
  return port
}

/**
 * Runs what makes a part listen.
 *
 * @throws DemoFailure its port is taken
 */
export async function listenAs<T> (part: Part, { ports }: Settings, listen: (port: number) => Promise<T>): Promise<T> {
  try {
    return await listen(ports[part])
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EADDRINUSE') throw error
    const { title, variable } = places[part]
    throw new DemoFailure(`Port ${ports[part]}, where the ${title} should listen, is taken.\n` +
      `Give it another one: ${variable}=${ports[part] + 10_000} npm run demo (0 takes any free port).`)
  }
}
