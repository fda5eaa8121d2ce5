/**
 * This file is the least that a proxy in Node can do: its http server, and undici's `dispatch` written straight to the
 * response. No sign-in, no log, no limits: the measure of what a gateway adds, as a process of its own.
 */
import { createServer, type ServerResponse } from 'node:http'
import { connect } from 'node:net'
import { type Dispatcher, Pool } from 'undici'

const [, , port, upstream, webSocketUpstream] = process.argv as [string, string, string, string, string]
const pool = new Pool(`http://127.0.0.1:${upstream}`, { connections: 128, pipelining: 1 })
/** What ends at each hop (RFC 9110, section 7.6.1), and what undici sets itself. */
const dropped = new Set(['connection', 'host', 'transfer-encoding', 'keep-alive', 'upgrade'])

function passed (raw: readonly string[]): string[] {
  const list: string[] = []
  for (let i = 0; i < raw.length; i += 2) if (!dropped.has(raw[i]!.toLowerCase())) list.push(raw[i]!, raw[i + 1]!)
  return list
}

function exchange (response: ServerResponse): Dispatcher.DispatchHandler {
  return {
    // Without it a client that leaves in the middle of an answer would keep a connection to the application for ever.
    onConnect (abort) { response.once('close', () => { if (!response.writableFinished) abort() }) },
    onHeaders (status, raw, resume) {
      response.writeHead(status, passed(raw.map(bytes => bytes.toString('latin1'))))
      response.on('drain', resume)
      return true
    },
    onData: chunk => response.write(chunk),
    onComplete () { response.end() },
    onError () { response.destroy() }
  }
}

const server = createServer((request, response) => {
  const { method, url, rawHeaders } = request
  const hasBody = request.headers['content-length'] !== undefined
  pool.dispatch({
    path: url!, method: method as Dispatcher.HttpMethod, headers: passed(rawHeaders), body: hasBody ? request : null
  }, exchange(response))
})

server.on('upgrade', (request, socket, head) => {
  const { method, url, rawHeaders } = request
  const lines: string[] = []
  for (let i = 0; i < rawHeaders.length; i += 2) lines.push(`${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`)
  const other = connect(Number(webSocketUpstream), '127.0.0.1', () => {
    other.write(`${method} ${url} HTTP/1.1\r\n${lines.join('')}\r\n`)
    other.write(head)
    socket.pipe(other).pipe(socket)
  })
  for (const end of [other, socket]) end.on('error', () => { other.destroy(); socket.destroy() })
})

server.listen(Number(port), '127.0.0.1')
