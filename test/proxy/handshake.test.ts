/** This file checks both halves of a WebSocket handshake by tables: what is one, and what is not and why. */
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { acceptOf, flawOfAnswer, type Handshake, readHandshake } from '../../src/proxy/handshake.ts'

const key = 'dGhlIHNhbXBsZSBub25jZQ=='
const good = { connection: 'Upgrade', upgrade: 'websocket', 'sec-websocket-key': key, 'sec-websocket-version': '13' }
type Changes = Partial<Pick<IncomingMessage, 'method' | 'httpVersion'>> & Record<string, string | undefined>

function read ({ method = 'GET', httpVersion = '1.1', ...headers }: Changes = {}) {
  return readHandshake({ method, httpVersion, headers: { ...good, ...headers } })
}

t.test('a handshake is read with its key and subprotocols', async t => {
  const rows: Array<[Changes, readonly string[]]> = [
    [{}, []],
    [{ connection: 'keep-alive, Upgrade', upgrade: 'WebSocket' }, []],
    [{ connection: 'UPGRADE' }, []],
    [{ 'content-length': '0' }, []],
    [{ 'sec-websocket-protocol': 'chat' }, ['chat']],
    [{ 'sec-websocket-protocol': 'v12.stomp,  v11.stomp' }, ['v12.stomp', 'v11.stomp']],
    [{ 'sec-websocket-extensions': 'permessage-deflate' }, []]
  ]
  for (const [changes, protocols] of rows) t.same(read(changes), { kind: 'handshake', key, protocols }, JSON.stringify(changes))
})

t.test('C7.4 everything else is refused, and only another version with 426', async t => {
  const rows: Array<[Changes, string, number?]> = [
    [{ method: 'POST' }, 'not-a-get-of-http-1.1'],
    [{ method: 'HEAD' }, 'not-a-get-of-http-1.1'],
    [{ httpVersion: '1.0' }, 'not-a-get-of-http-1.1'],
    [{ upgrade: 'h2c' }, 'another-protocol'],
    [{ upgrade: 'websocket, h2c' }, 'another-protocol'],
    [{ upgrade: 'websocket/13' }, 'another-protocol'],
    [{ upgrade: undefined }, 'another-protocol'],
    [{ connection: 'close' }, 'no-connection-upgrade'],
    [{ connection: 'keep-alive' }, 'no-connection-upgrade'],
    [{ connection: 'upgraded' }, 'no-connection-upgrade'],
    [{ connection: undefined }, 'no-connection-upgrade'],
    [{ 'content-length': '1' }, 'a-body'],
    [{ 'transfer-encoding': 'chunked' }, 'a-body'],
    [{ 'sec-websocket-key': undefined }, 'no-key'],
    [{ 'sec-websocket-key': '' }, 'no-key'],
    [{ 'sec-websocket-key': 'c2hvcnQ=' }, 'no-key'],
    [{ 'sec-websocket-key': 'dGhlIHNhbXBsZSBub25jZR==' }, 'no-key'],
    [{ 'sec-websocket-key': `${key}, ${key}` }, 'no-key'],
    [{ 'sec-websocket-version': undefined }, 'no-version'],
    [{ 'sec-websocket-version': '99' }, 'another-version', 426],
    [{ 'sec-websocket-version': '8' }, 'another-version', 426],
    [{ 'sec-websocket-version': '13, 13' }, 'another-version', 426],
    [{ 'sec-websocket-protocol': '' }, 'subprotocols'],
    [{ 'sec-websocket-protocol': 'a,,b' }, 'subprotocols'],
    [{ 'sec-websocket-protocol': 'a, a' }, 'subprotocols'],
    [{ 'sec-websocket-protocol': 'a b' }, 'subprotocols']
  ]
  for (const [changes, why, status = 400] of rows) t.same(read(changes), { kind: 'refused', status, why }, JSON.stringify(changes))
})

t.test('the accept value is that of the standard\'s example', async t => {
  t.equal(acceptOf(key), 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=')
})

t.test('an upstream\'s 101 fits, or it says why not', async t => {
  const asked: Handshake = { kind: 'handshake', key, protocols: ['chat', 'superchat'] }
  const fits = { Upgrade: 'websocket', Connection: 'Upgrade', 'Sec-WebSocket-Accept': acceptOf(key) }
  const rows: Array<[Record<string, string | undefined>, string | undefined]> = [
    [{}, undefined],
    [{ Upgrade: 'WebSocket', Connection: 'keep-alive, upgrade' }, undefined],
    [{ 'Sec-WebSocket-Protocol': 'superchat' }, undefined],
    [{ Upgrade: 'h2c' }, 'another-protocol'],
    [{ Upgrade: undefined }, 'another-protocol'],
    [{ Connection: undefined }, 'no-connection-upgrade'],
    [{ Connection: 'close' }, 'no-connection-upgrade'],
    [{ 'Sec-WebSocket-Accept': undefined }, 'another-accept'],
    [{ 'Sec-WebSocket-Accept': acceptOf('AQIDBAUGBwgJCgsMDQ4PEA==') }, 'another-accept'],
    [{ 'sec-websocket-accept': acceptOf(key) }, 'another-accept'],
    [{ 'Sec-WebSocket-Extensions': 'permessage-deflate' }, 'an-extension'],
    [{ 'Sec-WebSocket-Protocol': 'Chat' }, 'another-subprotocol'],
    [{ 'Sec-WebSocket-Protocol': 'chat, superchat' }, 'another-subprotocol'],
    [{ 'Sec-WebSocket-Protocol': '' }, 'another-subprotocol']
  ]
  for (const [changes, why] of rows) {
    const fields = Object.entries({ ...fits, ...changes }).filter((field): field is [string, string] => field[1] !== undefined)
    t.equal(flawOfAnswer(fields.flat().map(text => Buffer.from(text)), asked), why, JSON.stringify(changes))
  }
})
