/** This file is a collector of traces: it takes spans over OTLP (HTTP, protobuf) as OpenTelemetry's own does, and keeps them. */
import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import type { Test } from 'tap'
import { bytesOf, type Message, messagesOf, numberOf, readMessage } from './protobuf.ts'
import { until } from './redis.ts'

type Attribute = string | number | boolean

/** A span as it arrived. */
export interface ReceivedSpan {
  readonly traceId: string
  readonly spanId: string
  /** Empty for the first of a trace. */
  readonly parentSpanId: string
  readonly traceState: string
  readonly name: string
  readonly kind: 'internal' | 'server' | 'client' | undefined
  /** Nanoseconds since 1970. */
  readonly startedAt: bigint
  readonly endedAt: bigint
  readonly attributes: Readonly<Record<string, Attribute>>
  readonly isError: boolean
  readonly resource: Readonly<Record<string, Attribute>>
}

export interface Collector {
  /** What `OTEL_EXPORTER_OTLP_ENDPOINT` has to be. */
  readonly endpoint: string
  readonly spans: () => readonly ReceivedSpan[]
  /** Waits for the first span that fits. */
  find (what: string, fits: (span: ReceivedSpan) => boolean): Promise<ReceivedSpan>
  /** What came, path and header section included, byte for byte. */
  readonly received: ReadonlyArray<{ readonly url: string, readonly headers: IncomingHttpHeaders, readonly body: Buffer }>
  /** What it answers from now on; `hang` answers nothing. */
  answer (status: number | 'hang'): void
}

const kinds = [undefined, 'internal', 'server', 'client'] as const

export async function startCollector (t: Test): Promise<Collector> {
  const received: Array<Collector['received'][number]> = []
  const spans: ReceivedSpan[] = []
  const state: { answer: number | 'hang' } = { answer: 200 }
  const server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('error', () => {})
    request.on('data', chunk => { chunks.push(chunk) })
    request.on('end', () => {
      const body = Buffer.concat(chunks)
      received.push({ url: request.url!, headers: request.headers, body })
      if (state.answer === 'hang') return
      if (state.answer === 200) spans.push(...spansOf(readMessage(body)))
      response.writeHead(state.answer, { 'content-type': 'application/x-protobuf' }).end()
    })
  })
  const endpoint = await listen(t, server)
  return {
    endpoint,
    spans: () => spans,
    async find (what, fits) {
      await until(what, () => spans.some(fits), 30_000)
      return spans.find(fits)!
    },
    received,
    answer (status) { state.answer = status }
  }
}

async function listen (t: Test, server: Server): Promise<string> {
  const sockets = new Set<Socket>()
  server.on('connection', socket => {
    sockets.add(socket)
    socket.once('close', () => { sockets.delete(socket) })
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    for (const socket of sockets) socket.destroy()
    await new Promise(resolve => { server.close(resolve) })
  })
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`
}

/** ExportTraceServiceRequest: resources, scopes, spans. */
function spansOf (request: Message): ReceivedSpan[] {
  return messagesOf(request, 1).flatMap(ofResource => {
    const resource = attributesOf(messagesOf(ofResource, 1)[0], 1)
    return messagesOf(ofResource, 2).flatMap(ofScope => messagesOf(ofScope, 2)).map(span => spanOf(span, resource))
  })
}

function spanOf (span: Message, resource: ReceivedSpan['resource']): ReceivedSpan {
  const hex = (field: number): string => bytesOf(span, field).toString('hex')
  const [status] = messagesOf(span, 15)
  return {
    traceId: hex(1),
    spanId: hex(2),
    traceState: bytesOf(span, 3).toString(),
    parentSpanId: hex(4),
    name: bytesOf(span, 5).toString(),
    kind: kinds[Number(numberOf(span, 6))],
    startedAt: numberOf(span, 7)!,
    endedAt: numberOf(span, 8)!,
    attributes: attributesOf(span, 9),
    isError: status !== undefined && numberOf(status, 3) === 2n,
    resource
  }
}

function attributesOf (message: Message | undefined, field: number): Record<string, Attribute> {
  if (message === undefined) return {}
  const pairs = messagesOf(message, field)
  return Object.fromEntries(pairs.map(pair => [bytesOf(pair, 1).toString(), valueOf(messagesOf(pair, 2)[0]!)]))
}

function valueOf (value: Message): Attribute {
  const [isTrue, integer] = [numberOf(value, 2), numberOf(value, 3)]
  if (isTrue !== undefined) return isTrue === 1n
  return integer === undefined ? bytesOf(value, 1).toString() : Number(integer)
}
