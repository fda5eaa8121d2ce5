/** This file is a browser's cookies between requests to `/.auth`, as the endpoints see and set them. */
import { randomBytes } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { createKeyRing } from '../../src/store/key-ring.ts'
import { createSealer, type Sealer } from '../../src/store/seal.ts'
import { createClock, type TestClock } from '../support/clock.ts'

export interface CookieJar {
  readonly cookies: Map<string, string>
  /** Name -> options of the cookies that were set, in order. */
  readonly set: Array<{ name: string, value: string, options: Record<string, unknown> }>
  readonly cleared: string[]
  request (): FastifyRequest
  readonly reply: FastifyReply
}

/** A jar that keeps what replies set and gives it to requests, byte for byte. */
export function cookieJar (): CookieJar {
  const cookies = new Map<string, string>()
  const set: CookieJar['set'] = []
  const cleared: string[] = []
  const reply = {
    setCookie (name: string, value: string, options: Record<string, unknown>) {
      cookies.set(name, value)
      set.push({ name, value, options })
      return this
    },
    clearCookie (name: string) {
      cookies.delete(name)
      cleared.push(name)
      return this
    }
  }
  return {
    cookies,
    set,
    cleared,
    request: () => ({ cookies: Object.fromEntries(cookies) }) as unknown as FastifyRequest,
    reply: reply as unknown as FastifyReply
  }
}

export interface SealWorld {
  readonly clock: TestClock
  readonly sealer: Sealer
  /** Seals of somebody else's gateway. */
  readonly stranger: Sealer
}

export function sealWorld (): SealWorld {
  const clock = createClock()
  const [sealer, stranger] = ['gw', 'other'].map(deployment =>
    createSealer(createKeyRing([{ id: 'k1', secret: randomBytes(32) }], deployment), clock.now))
  return { clock, sealer: sealer!, stranger: stranger! }
}
