/** This file is what the users of the soak do: requests at a rate, streams and WebSockets. It judges every answer. */
import { get } from 'node:http'
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { apis } from '../support/replicas.ts'
import { openWebSocket } from '../support/websocket.ts'
import { type People, type Person, pick } from './people.ts'
import type { SoakWorld } from './world.ts'

/** A request, by when it was begun; times are of `performance`, in milliseconds. */
export interface Sample {
  readonly begunAt: number
  readonly ms: number
  /** Undefined when it was answered as it should be. */
  readonly failure: string | undefined
}

export interface Traffic {
  readonly samples: Sample[]
  /** Answers with the token of another user. */
  readonly wrongUser: string[]
  /** Sessions that ended by themselves. */
  readonly lost: Sample[]
  readonly counts: { events: number, messages: number, askedAgain: number }
  /** Requests per second from now on; Infinity: as many as there can be. */
  setRate (perSecond: number): void
  /** Resolves when the last answer is there. */
  end (): Promise<void>
}

const lanes = 48
const streams = 4
const streamMs = 8000

export function startTraffic (t: Test, world: SoakWorld, people: People): Traffic {
  const samples: Sample[] = []
  const wrongUser: string[] = []
  const lost: Sample[] = []
  const counts = { events: 0, messages: 0, askedAgain: 0 }
  const state = { isOn: true, rate: Infinity }
  t.teardown(() => { state.isOn = false })

  async function ask (person: Person, isAgain = false): Promise<void> {
    const { visits, user, browser } = person
    const begunAt = performance.now()
    const body = Math.random() < 0.1 ? { method: 'POST', body: 'x'.repeat(2000) } : {}
    const { status, body: text } = await browser.fetch(`${pick(world.replicas).origin}/${pick(apis).name}/x`, body)
      .catch(error => ({ status: 0, body: String(error) }))
    const ms = performance.now() - begunAt
    if (status === 200) {
      const { oid } = JSON.parse(text)
      if (oid !== user.oid) wrongUser.push(`${user.upn} got an answer for ${oid}`)
      samples.push({ begunAt, ms, failure: undefined })
    } else if (status !== 401) {
      samples.push({ begunAt, ms, failure: `${status} ${/SG_\w+/.exec(text)?.[0] ?? text.slice(0, 80)}` })
    } else if (person.isIn && person.visits === visits) {
      if (!isAgain) await askAgain(person)
      else {
        person.isIn = false
        lost.push({ begunAt, ms, failure: text })
      }
    }
  }

  /** What was asked for by the session before may tell the one after it, once, that there are no tokens. */
  async function askAgain (person: Person): Promise<void> {
    counts.askedAgain++
    await ask(person, true)
  }

  /** Asks at its share of the rate, evenly but for chance, whatever the answers take. */
  async function lane (): Promise<void> {
    while (state.isOn) {
      const next = performance.now() + 2000 * Math.random() * lanes / state.rate
      const person = people.anyoneIn()
      if (person === undefined) await delay(20)
      else await ask(person)
      const leftMs = next - performance.now()
      if (leftMs > 0) await delay(leftMs)
    }
  }

  async function listen (): Promise<void> {
    while (state.isOn) {
      const person = people.anyoneIn()
      if (person !== undefined) await readEvents(person)
      await delay(200)
    }
  }

  /** Reads some events, and leaves in the middle of the answer. */
  async function readEvents ({ browser, user }: Person): Promise<void> {
    const cookie = `scopegate=${browser.cookies(world.publicUrl).get('scopegate')}`
    await new Promise<void>(resolve => {
      const request = get(`${pick(world.replicas).origin}/events/x`, { headers: { cookie } }, response => {
        response.on('error', () => {})
        if (response.statusCode !== 200) request.destroy()
        response.on('data', (chunk: Buffer) => {
          counts.events++
          if (!String(chunk).includes(user.oid)) wrongUser.push(`${user.upn} got the event ${String(chunk)}`)
        })
      })
      const timer = setTimeout(() => { request.destroy() }, Math.random() * streamMs)
      request.on('error', () => {})
      request.once('close', () => {
        clearTimeout(timer)
        resolve()
      })
    })
  }

  async function talk (): Promise<void> {
    while (state.isOn) {
      const person = people.anyoneIn()
      if (person !== undefined) await chat(person).catch(() => {})
      await delay(200)
    }
  }

  async function chat ({ browser, user }: Person): Promise<void> {
    const cookie = `scopegate=${browser.cookies(world.publicUrl).get('scopegate')}`
    const client = await openWebSocket(t, `${pick(world.replicas).origin}/live/x`, { cookie, origin: world.publicUrl })
    const endsAt = performance.now() + Math.random() * streamMs
    while (performance.now() < endsAt && client.socket.readyState === client.socket.OPEN) {
      client.socket.send(user.oid)
      const answer = await Promise.race([client.message(), client.closed])
      if (typeof answer === 'number') return
      counts.messages++
      if (String(answer) !== user.oid) wrongUser.push(`${user.upn} got the message ${String(answer)}`)
      await delay(300)
    }
    client.socket.close()
    await client.closed
  }

  const work = Promise.all([lanes, streams, streams].flatMap((length, i) => Array.from({ length }, [lane, listen, talk][i]!)))
  return {
    samples,
    wrongUser,
    lost,
    counts,
    setRate (perSecond) { state.rate = perSecond },
    async end () {
      state.isOn = false
      await work
    }
  }
}

/** The 99th percentile of the good answers to what was begun and ended in between, in milliseconds; 0 without any. */
export function p99 (samples: readonly Sample[], from: number, to: number): number {
  const all = samples.filter(({ begunAt, ms, failure }) => failure === undefined && begunAt >= from && begunAt + ms < to)
  return all.map(({ ms }) => ms).sort((one, other) => one - other)[Math.floor(all.length * 0.99)] ?? 0
}
