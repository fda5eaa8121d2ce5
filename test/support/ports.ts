/**
 * This file gives away ports of loopback that are to be used later: by a server that cannot take one by itself, by an address
 * that has to be known before anybody listens there, or by nobody. Until then no other test may get them. So they lie below
 * the range from which systems take ports by themselves, for outgoing connections too, and each test file that runs at
 * the same time has a share of its own.
 */
import { createServer } from 'node:net'

const lowest = 12_000
const perShare = 1_000
const shares = 9
/** A Redis Cluster's bus is at a port that is so much higher. */
const busDistance = 10_000

/** Test files that run at the same time have numbers of their own. */
const share = Number(process.env.TAP_JOB_ID ?? process.pid) % shares
/** Anywhere: another run of the tests may have the same share. */
let given = Math.floor(Math.random() * perShare)

/** A port that is free, and whose Cluster bus port is. This process does not get it again. */
export async function freePort (): Promise<number> {
  while (true) {
    const port = lowest + share * perShare + given++ % perShare
    if (await isFree(port) && await isFree(port + busDistance)) return port
  }
}

async function isFree (port: number): Promise<boolean> {
  return await new Promise(resolve => {
    const server = createServer()
    server.once('error', () => { resolve(false) })
    server.listen(port, '127.0.0.1', () => { server.close(() => { resolve(true) }) })
  })
}
