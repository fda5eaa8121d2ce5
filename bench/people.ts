/** This file signs users in, as their browsers do. */
import { setTimeout as delay } from 'node:timers/promises'
import { Agent, request } from 'undici'
import type { User } from './directory.ts'

/** One signed-in browser. */
export interface Session {
  readonly user: User
  /** The value of its Cookie field. */
  readonly cookie: string
}

export interface Doors {
  /** Where the gateway is. */
  readonly origin: string
  /** What browsers would call it. */
  readonly publicUrl: string
  /** Where signing in begins, with the page to come to afterwards. */
  readonly startPath: string
  /** What the paths of all endpoints begin with that have a part in it. */
  readonly prefix: string
  /** PEM text of the emulator's authority. */
  readonly ca: string
}

const together = 4
const maxHops = 10
/** A machine that is busy with something else makes a gateway refuse; users then try again. */
const attempts = 5
const againMs = 1000

/** @param count - how many sessions; users take turns */
export async function signInAll (doors: Doors, users: readonly User[], count: number): Promise<Session[]> {
  const agent = new Agent({ connect: { ca: doors.ca }, connections: together })
  const sessions: Session[] = []
  let next = 0
  async function work (): Promise<void> {
    while (next < count) {
      const at = next++
      sessions[at] = await signInPatiently(agent, doors, users[at % users.length]!)
    }
  }
  try {
    await Promise.all(Array.from({ length: together }, work))
  } finally {
    await agent.destroy()
  }
  return sessions
}

async function signInPatiently (agent: Agent, doors: Doors, user: User): Promise<Session> {
  for (let attempt = 1; ; attempt++) {
    try {
      return await signIn(agent, doors, user)
    } catch (error) {
      if (attempt === attempts) throw error
      await delay(againMs)
    }
  }
}

/** Follows redirects until the gateway answers with something else, or sends the user to the page that was asked for. */
async function signIn (agent: Agent, { origin, publicUrl, startPath, prefix }: Doors, user: User): Promise<Session> {
  const jar = new Map<string, string>()
  const { host } = new URL(publicUrl)
  let url = origin + startPath
  for (let hops = 0; hops < maxHops; hops++) {
    const isOurs = url.startsWith(origin)
    const { statusCode, headers, body } = await request(url, {
      dispatcher: agent,
      headers: { accept: 'text/html', 'sec-fetch-mode': 'navigate', 'sec-fetch-dest': 'document', ...(isOurs ? { host, cookie: fieldOf(jar) } : {}) }
    })
    await body.dump()
    if (isOurs) keep(jar, headers['set-cookie'])
    const location = headers.location
    if (location === undefined) throw new Error(`signing in stopped at ${new URL(url).pathname} with ${statusCode}`)
    const to = new URL(String(location), url).href.replace(publicUrl, origin)
    if (isOurs && to.startsWith(origin) && !new URL(to).pathname.startsWith(prefix)) return { user, cookie: fieldOf(jar) }
    url = withUser(to, user)
  }
  throw new Error('signing in went round in circles')
}

/** The emulator's way to sign in without its pages. */
function withUser (url: string, { upn }: User): string {
  return url.includes('/oauth2/v2.0/authorize') ? `${url}&${new URLSearchParams({ autologin: upn, autoconsent: '1' })}` : url
}

function keep (jar: Map<string, string>, lines: string | string[] | undefined): void {
  for (const line of [lines ?? []].flat()) {
    const [pair = ''] = line.split(';', 1)
    const name = pair.slice(0, pair.indexOf('='))
    const isDeleted = /;\s*(?:max-age=0|expires=thu, 01 jan 1970)/i.test(line)
    if (isDeleted) jar.delete(name)
    else jar.set(name, pair.slice(name.length + 1))
  }
}

const fieldOf = (jar: ReadonlyMap<string, string>): string => [...jar].map(([name, value]) => `${name}=${value}`).join('; ')
