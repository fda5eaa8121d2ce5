/** This file is the users of the soak: they sign in, at one replica or over two, and out, again and again. */
import { setTimeout as delay } from 'node:timers/promises'
import type { Test } from 'tap'
import { type Browser, createBrowser, type Reply } from '../support/browser.ts'
import { type TestUser, users } from '../support/replicas.ts'
import type { SoakWorld } from './world.ts'

export interface Person {
  readonly user: TestUser
  readonly browser: Browser
  isIn: boolean
  /** Between in and out. */
  isOnTheWay: boolean
  /** Sign-ins so far: what an answer says about an earlier session does not count. */
  visits: number
}

export interface People {
  readonly all: readonly Person[]
  readonly counts: { signIns: number, signOuts: number }
  /** Sign-ins and sign-outs that failed, by what was wrong. */
  readonly failed: Map<string, number>
  /** Sessions that were still good after their sign-out. */
  readonly undead: string[]
  anyoneIn (): Person | undefined
  /** Resolves when everybody is signed in. */
  everyoneIn (): Promise<void>
  end (): void
}

const signOutEveryMs = 700

export function pick<T> (all: readonly T[]): T {
  return all[Math.floor(Math.random() * all.length)]!
}

export function startPeople (t: Test, { entra, publicUrl, replicas }: SoakWorld): People {
  const all: Person[] = users.map(user => ({
    user, browser: createBrowser(t, { ca: entra.caPem, user: user.upn }), isIn: false, isOnTheWay: false, visits: 0
  }))
  const counts = { signIns: 0, signOuts: 0 }
  const failed = new Map<string, number>()
  const undead: string[] = []
  const state = { isOn: true }
  t.teardown(() => { state.isOn = false })
  const origin = (): string => pick(replicas).origin

  async function signIn (person: Person): Promise<void> {
    const { browser, user: { upn } } = person
    // Another page each time: four sign-ins for the same one within a minute would be taken for a loop.
    const page = encodeURIComponent(`/x?${person.visits}`)
    const begun = await expect(302, browser.visit(`${origin()}/.auth/login?post_login_redirect_uri=${page}`))
    const answered = await expect(302, browser.visit(`${begun.location()}&autologin=${upn}&autoconsent=1`))
    await expect(303, browser.visit(answered.location().replace(publicUrl, origin())))
    person.visits++
    person.isIn = true
    counts.signIns++
  }

  async function signOut (person: Person): Promise<void> {
    const { browser, user: { upn } } = person
    const at = origin()
    const cookie = `scopegate=${browser.cookies(publicUrl).get('scopegate')}`
    person.isIn = false
    await expect(303, browser.visit(`${at}/.auth/logout`))
    counts.signOuts++
    const after = await browser.fetch(`${at}/.auth/me`, { headers: { cookie } })
    if (after.status === 200) undead.push(`${upn} at ${at}, ${new Date().toISOString()}: ${after.body}`)
  }

  async function onTheWay (person: Person, go: (person: Person) => Promise<void>): Promise<void> {
    person.isOnTheWay = true
    await go(person).catch(({ message }) => { failed.set(message, (failed.get(message) ?? 0) + 1) })
    person.isOnTheWay = false
  }

  /** Whoever is out comes back at once. */
  async function comeBack (): Promise<void> {
    while (state.isOn) {
      const out = all.filter(({ isIn, isOnTheWay }) => !isIn && !isOnTheWay)
      await Promise.all(out.map(async person => { await onTheWay(person, signIn) }))
      await delay(100)
    }
  }

  async function leave (): Promise<void> {
    while (state.isOn) {
      await delay(signOutEveryMs)
      const person = anyoneIn()
      if (person !== undefined) await onTheWay(person, signOut)
    }
  }

  function anyoneIn (): Person | undefined {
    return pick(all.filter(({ isIn }) => isIn))
  }

  async function everyoneIn (): Promise<void> {
    while (!all.every(({ visits }) => visits > 0)) await delay(50)
  }

  for (const activity of [comeBack, leave]) activity().catch(error => { throw error })
  return { all, counts, failed, undead, anyoneIn, everyoneIn, end () { state.isOn = false } }
}

/** @throws an error that says what came instead */
async function expect (status: number, answer: Promise<Reply>): Promise<Reply> {
  const reply = await answer
  const { pathname } = new URL(reply.url)
  if (reply.status !== status) throw new Error(`${pathname}: ${reply.status} ${String(reply.headers['scopegate-error'] ?? '')}`)
  return reply
}
