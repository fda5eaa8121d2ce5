/**
 * This file is the application behind everything that is measured, as a process of its own. It checks each request: whose token
 * it carries, and for which API. A gateway that is fast and wrong has lost.
 *
 * It reads HTTP itself, as far as the benchmarks write it: an application that is slower than what is measured would be
 * what is measured.
 */
import { createServer, type Socket } from 'node:net'
import { createLocalJWKSet, decodeJwt, type JSONWebKeySet, jwtVerify } from 'jose'
import { WebSocketServer } from 'ws'

/** What it is started with. */
export interface AppSettings {
  readonly port: number
  readonly webSocketPort: number
  readonly jwks: JSONWebKeySet
}

/** What it has seen since it was asked last. */
export interface AppReport {
  readonly requests: number
  readonly wrong: number
  /** The first of them. */
  readonly example: string | undefined
}

interface Token { readonly oid: string, readonly aud: string }

const settings = JSON.parse(process.argv[2]!) as AppSettings
const keys = createLocalJWKSet(settings.jwks)
const tokens = new Map<string, Token>()
let requests = 0
let wrong = 0
let example: string | undefined

function fail (why: string): void {
  wrong++
  example ??= why
}

/** Decoded at once, and verified behind: a token is new seldom. */
function tokenOf (text: string): Token {
  const known = tokens.get(text)
  if (known !== undefined) return known
  const { oid, aud } = decodeJwt<Token>(text)
  jwtVerify(text, keys).catch(error => { fail(`a token that does not verify: ${String(error)}`) })
  const token = { oid, aud: String(aud) }
  tokens.set(text, token)
  return token
}

/** The value of a field, looked for in the spellings that most send first. */
function field (head: string, name: string): string | undefined {
  for (const start of startsOf(name)) {
    const at = head.indexOf(start)
    if (at >= 0) return head.slice(at + start.length, head.indexOf('\r\n', at + 2))
  }
  return new RegExp(`\r\n${name}:[ \t]*([^\r]*)`, 'i').exec(head)?.[1]
}

const starts = new Map<string, readonly string[]>()

/** As the clients here and Node write a name, and as Go does. */
function startsOf (name: string): readonly string[] {
  const known = starts.get(name)
  if (known !== undefined) return known
  const made = [name, name.replace(/(?<=^|-)./g, letter => letter.toUpperCase())].map(spelling => `\r\n${spelling}: `)
  starts.set(name, made)
  return made
}

/** oauth2-proxy has a field of its own for the access token: its Authorization would be the ID token. */
function bearerOf (head: string): string | undefined {
  const authorization = field(head, 'authorization')
  return authorization === undefined ? field(head, 'x-forwarded-access-token') : /^Bearer (.*)/.exec(authorization)?.[1]
}

/** Clients say whose request it is and which API it is for, or `-` for nobody's. */
function check (head: string): void {
  requests++
  const user = field(head, 'x-bench-user')
  const audience = field(head, 'x-bench-audience')
  if (user === '-' || user === undefined) {
    if (field(head, 'authorization') !== undefined || user === undefined) fail(`nobody's request came as ${head}`)
    return
  }
  const bearer = bearerOf(head)
  if (bearer === undefined) {
    fail(`no token for ${user}`)
    return
  }
  const { oid, aud } = tokenOf(bearer)
  if (oid !== user || aud !== audience) fail(`a token of ${oid} for ${aud} in a request of ${user} for ${String(audience)}`)
}

const answers = new Map<string, Buffer>()

function answerOf (bytes: string): Buffer {
  const known = answers.get(bytes)
  if (known !== undefined) return known
  const length = Number(bytes)
  const body = `{"pad":"${'x'.repeat(length - 10)}"}`
  const answer = Buffer.from(`HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${length}\r\ncache-control: no-store\r\n\r\n${body}`)
  answers.set(bytes, answer)
  return answer
}

function serve (socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0)
  let bodyLeft = 0
  let pending: Buffer | undefined
  socket.setNoDelay(true)
  socket.on('error', () => { socket.destroy() })
  socket.on('data', chunk => {
    rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
    while (rest.length > 0) {
      if (bodyLeft > 0) {
        const taken = Math.min(bodyLeft, rest.length)
        rest = rest.subarray(taken)
        bodyLeft -= taken
        if (bodyLeft > 0) return
      } else {
        const end = rest.indexOf('\r\n\r\n')
        if (end < 0) return
        const head = rest.toString('latin1', 0, end + 2)
        rest = rest.subarray(end + 4)
        check(head)
        pending = answerOf(field(head, 'x-bench-bytes') ?? '1024')
        bodyLeft = Number(field(head, 'content-length') ?? 0)
      }
      if (bodyLeft === 0 && pending !== undefined) {
        socket.write(pending)
        pending = undefined
      }
    }
  })
}

createServer(serve).listen(settings.port, '127.0.0.1')

const webSockets = new WebSocketServer({ port: settings.webSocketPort, host: '127.0.0.1', perMessageDeflate: false })
webSockets.on('connection', (socket, { rawHeaders }) => {
  let head = '\r\n'
  for (let i = 0; i < rawHeaders.length; i += 2) head += `${rawHeaders[i]}: ${rawHeaders[i + 1]}\r\n`
  check(head)
  socket.on('message', (message, isBinary) => { socket.send(message, { binary: isBinary }) })
})

process.on('message', () => {
  const report: AppReport = { requests, wrong, example }
  requests = 0
  wrong = 0
  example = undefined
  process.send!(report)
})
