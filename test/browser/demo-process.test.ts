/**
 * This file holds the demo to what it says about its process: Ctrl-C ends everything, a taken port is named.
 */
import { once } from 'node:events'
import { readFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import t from 'tap'
import { spawnDemo, startDemo } from './support/demo.ts'

t.test('Ctrl-C ends everything that the demo started, with exit code 0', async t => {
  const { child, printed, exit } = await startDemo(t)
  const ports = [...new Set(printed().match(/(?<=https?:\/\/(?:localhost|127\.0\.0\.1):)\d+/g))].map(Number)
  t.equal(ports.length, 6, 'gateway, its management, emulator and three apps')
  for (const port of ports) t.ok(await isOpen(port), `something listens on ${port}`)
  const [health] = printed().match(/http:\S+\/readyz/)!
  t.match(await (await fetch(health)).json(), { ready: true })
  const children = childrenOf(child.pid!)
  t.equal(children.length, 1, 'the gateway has a process of its own')

  child.kill('SIGINT')
  // npm passes on what the terminal has sent already.
  child.kill('SIGINT')
  t.equal(await exit, 0)
  t.same(children.filter(isAlive), [])
  for (const port of ports) t.notOk(await isOpen(port), `${port} is free again`)
})

t.test('a taken port is named, with the variable that changes it', async t => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => { taken.close() })
  const { port } = taken.address() as { port: number }

  const { printed, exit } = spawnDemo(t, { DEMO_ORDERS_PORT: String(port) })
  t.equal(await exit, 1)
  t.match(printed(), `Port ${port}, where the orders API should listen, is taken.`)
  t.match(printed(), 'DEMO_ORDERS_PORT=')
  t.notMatch(printed(), /\n\s+at /, 'and no stack')
})

t.test('a variable that holds no port is named', async t => {
  const { printed, exit } = spawnDemo(t, { DEMO_GRAPH_PORT: 'http' })
  t.equal(await exit, 1)
  t.match(printed(), 'DEMO_GRAPH_PORT must be a port')
})

function childrenOf (pid: number): number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').split(' ').filter(Boolean).map(Number)
}

async function isOpen (port: number): Promise<boolean> {
  const socket = connect(port, 'localhost')
  try {
    await once(socket, 'connect')
    return true
  } catch {
    return false
  } finally {
    socket.destroy()
  }
}

function isAlive (pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
