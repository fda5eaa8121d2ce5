/** This file checks that a deadline judges the server, and not how busy this process is. */
import { once } from 'node:events'
import { connect, type Socket } from 'node:net'
import { Worker } from 'node:worker_threads'
import t from 'tap'
import { DeadlineMissed, withDeadline } from '../../src/store/deadline.ts'

/** Answers each connection after so many milliseconds, whatever the loop of this thread does. */
const program = `
const { createServer } = require('node:net')
const { parentPort } = require('node:worker_threads')
const server = createServer(socket => { socket.once('data', ms => { setTimeout(() => { socket.end('answer') }, Number(ms)) }) })
server.listen(0, '127.0.0.1', () => { parentPort.postMessage(server.address().port) })`

const worker = new Worker(program, { eval: true })
t.teardown(async () => { await worker.terminate() })
const [port] = await once(worker, 'message') as [number]

async function open (): Promise<Socket> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  return socket
}

/** The question is on its way when this returns. */
async function answerAfter (socket: Socket, ms: number): Promise<string> {
  socket.write(String(ms))
  const [data] = await once(socket, 'data') as [Buffer]
  return data.toString()
}

function standStill (ms: number): void {
  const endsAt = performance.now() + ms
  while (performance.now() < endsAt);
}

t.test('an answer that came in time counts, although this process stood still until after the deadline', async t => {
  const answer = withDeadline(answerAfter(await open(), 50), 300)
  // An immediate comes right before timers, and only then is read what has arrived.
  setImmediate(standStill, 600)
  t.equal(await answer, 'answer')
})

t.test('an answer that did not come in time does not', async t => {
  await t.rejects(withDeadline(answerAfter(await open(), 5000), 100), DeadlineMissed)
})
