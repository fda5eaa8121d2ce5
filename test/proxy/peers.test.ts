/** This file checks that a gateway knows who is at the other end of a connection, and finds it out once. */
import type { Socket } from 'node:net'
import t from 'tap'
import { createPeers } from '../../src/proxy/peers.ts'

const connection = (remoteAddress?: string): { socket: Socket } => ({ socket: { remoteAddress } as Socket })

t.test('the address of a peer is in its own form, also on a dual-stack socket', async t => {
  const peerOf = createPeers(() => false)
  for (const [remote, address] of [['::ffff:192.0.2.7', '192.0.2.7'], ['2001:db8::1', '2001:db8::1'], ['127.0.0.1', '127.0.0.1'], [undefined, '']]) {
    t.equal(peerOf(connection(remote)).address, address)
  }
})

t.test('whether it is trusted is asked once for each connection, and for no address that is none', async t => {
  const asked: string[] = []
  const peerOf = createPeers(address => asked.push(address) > 0 && address.startsWith('10.'))
  const [proxy, browser, gone] = [connection('::ffff:10.0.0.1'), connection('192.0.2.7'), connection()]
  for (let i = 0; i < 3; i++) {
    t.same(peerOf(proxy), { address: '10.0.0.1', isTrusted: true })
    t.same(peerOf(browser), { address: '192.0.2.7', isTrusted: false })
    t.same(peerOf(gone), { address: '', isTrusted: false })
  }
  t.same(asked, ['10.0.0.1', '192.0.2.7'])
  peerOf(connection('10.0.0.1'))
  t.same(asked.at(-1), '10.0.0.1', 'another connection of the same peer')
})

t.test('a gateway that trusts others is not told what the one before found out', async t => {
  const one = connection('10.0.0.1')
  t.equal(createPeers(() => true)(one).isTrusted, true)
  t.equal(createPeers(() => false)(one).isTrusted, false)
})
