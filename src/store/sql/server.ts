/** This file says how a database server is reached, and holds the sockets to it. */
import { readFile } from 'node:fs/promises'
import { type NetConnectOpts, Socket } from 'node:net'

export interface ServerOptions {
  /** `scheme://user:password@host:port/database`, without parameters. */
  readonly url: string
  /** Wins over the one in the URL. */
  readonly password?: string | undefined
  /** Undefined: no TLS. The chain and the name of the server are always verified. */
  readonly tls?: { readonly caFile?: string | undefined } | undefined
  /** Connections at once, at most. */
  readonly connections: number
}

export interface ServerTarget {
  readonly host: string
  readonly port: number
  readonly user: string
  readonly password: string | undefined
  readonly database: string
}

/** The URL is taken apart here: parameters in it could turn the verification of certificates off in the client library. */
export function targetOf ({ url: text, password }: ServerOptions, defaultPort: number): ServerTarget {
  const url = new URL(text)
  const written = decodeURIComponent(url.password)
  return {
    host: url.hostname.replace(/^\[|\]$/g, ''),
    port: url.port === '' ? defaultPort : Number(url.port),
    user: decodeURIComponent(url.username),
    password: password ?? (written === '' ? undefined : written),
    database: decodeURIComponent(url.pathname.slice(1))
  }
}

/** What TLS needs, as it stands now; undefined without TLS. */
export async function readTls ({ tls }: ServerOptions): Promise<{ rejectUnauthorized: true, ca?: string } | undefined> {
  if (tls === undefined) return undefined
  return { rejectUnauthorized: true, ...(tls.caFile !== undefined && { ca: await readFile(tls.caFile, 'utf8') }) }
}

/**
 * The sockets of one pool. The adapters keep their pools in a variable of their module, where a second store of the same
 * process would find the first one's, and end it: we end the sockets instead.
 */
export interface Sockets {
  /** A socket, connecting if an address is given. It is dead already when the pool has ended. */
  open (address?: NetConnectOpts): Socket
  end (): void
}

export function createSockets (): Sockets {
  const sockets = new Set<Socket>()
  let isEnded = false

  return {
    open (address) {
      const socket = new Socket()
      sockets.add(socket)
      socket.once('close', () => { sockets.delete(socket) })
      if (isEnded) socket.destroy(new Error('the store is closed'))
      else if (address !== undefined) socket.connect(address)
      return socket
    },
    end () {
      isEnded = true
      for (const socket of sockets) socket.destroy()
    }
  }
}
