/** This file is the client of the WebSocket scenario, as a process: each connection sends again when its message is back. */
import { once } from 'node:events'
import { setTimeout as delay } from 'node:timers/promises'
import { WebSocket } from 'ws'

export interface EchoSettings {
  readonly url: string
  readonly headers: Readonly<Record<string, string>>
  readonly seconds: number
}

export interface EchoResult {
  /** Messages that went there and back. */
  readonly perSecond: number
}

/** A session may have twenty at most. */
const connections = 16
const message = Buffer.alloc(1024, 'x')

const { url, headers, seconds } = JSON.parse(process.argv[2]!) as EchoSettings
let echoed = 0

async function open (): Promise<WebSocket> {
  const socket = new WebSocket(url, { headers, perMessageDeflate: false })
  await once(socket, 'open')
  socket.on('message', () => {
    echoed++
    socket.send(message)
  })
  return socket
}

const sockets = await Promise.all(Array.from({ length: connections }, open))
const before = performance.now()
for (const socket of sockets) socket.send(message)
await delay(seconds * 1000)
const result: EchoResult = { perSecond: echoed / ((performance.now() - before) / 1000) }
for (const socket of sockets) socket.terminate()
console.log(JSON.stringify(result))
