/** This file checks which address a request is taken to come from. */
import type { IncomingMessage } from 'node:http'
import t from 'tap'
import { createPeers } from '../../src/proxy/peers.ts'
import { clientAddresses, trustedProxies } from '../../src/server/client-address.ts'

function addressesBehind (blocks: readonly string[]): (request: IncomingMessage) => string {
  const isTrusted = trustedProxies(blocks)
  return clientAddresses(createPeers(isTrusted), isTrusted)
}

const ofClient = addressesBehind(['10.0.0.0/8', '192.0.2.7', 'fd00::/8'])

function from (peer: string, forwardedFor?: string): string {
  const headers = forwardedFor === undefined ? {} : { 'x-forwarded-for': forwardedFor }
  return ofClient({ headers, socket: { remoteAddress: peer } } as unknown as IncomingMessage)
}

t.test('C2.6 the right-most address that no trusted proxy has counts', async t => {
  const rows: Array<[peer: string, forwardedFor: string | undefined, address: string]> = [
    ['203.0.113.9', undefined, '203.0.113.9'],
    ['203.0.113.9', '198.51.100.1', '203.0.113.9'],
    ['10.0.0.1', undefined, '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['::ffff:10.0.0.1', '198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '1.2.3.4, 198.51.100.1', '198.51.100.1'],
    ['10.0.0.1', '1.2.3.4, 198.51.100.1, 10.0.0.2,192.0.2.7', '198.51.100.1'],
    ['10.0.0.1', '10.0.0.3, 10.0.0.2', '10.0.0.3'],
    ['10.0.0.1', '198.51.100.1:443', '198.51.100.1'],
    ['10.0.0.1', '[2001:db8::1]:443', '2001:db8::1'],
    ['10.0.0.1', '[2001:db8::1]', '2001:db8::1'],
    ['10.0.0.1', '::ffff:198.51.100.1', '198.51.100.1'],
    ['fd00::1', '2001:db8::1', '2001:db8::1'],
    ['10.0.0.1', '198.51.100.1, evil', '10.0.0.1'],
    ['10.0.0.1', '198.51.100.1, evil, 10.0.0.2', '10.0.0.2'],
    ['10.0.0.1', '198.51.100.1, ', '10.0.0.1'],
    ['10.0.0.1', '', '10.0.0.1'],
    ['10.0.0.1', '999.1.1.1', '10.0.0.1']
  ]
  for (const [peer, forwardedFor, address] of rows) t.equal(from(peer, forwardedFor), address, `${peer} <- ${forwardedFor}`)
})

t.test('C2.6 without trusted proxies nobody else is believed', async t => {
  const untrusting = addressesBehind([])
  const request = { headers: { 'x-forwarded-for': '198.51.100.1' }, socket: { remoteAddress: '10.0.0.1' } }
  t.equal(untrusting(request as unknown as IncomingMessage), '10.0.0.1')
})
