/**
 * This file shows where a gateway's time goes while it serves requests of one kind: `npm run bench -- --profile`. The
 * profile itself is written beside the other results, for any viewer.
 */
import { writeFileSync } from 'node:fs'
import { attachInspector, type Profile } from './inspector.ts'
import { type Request, shoot, writeRequests } from './load.ts'
import type { Session } from './people.ts'
import { requestOf, type World } from './world.ts'

const shown = 40
const manyRoutes = 1000

const kinds: Readonly<Record<string, (session: Session) => Request[]>> = {
  get: session => [requestOf(session)],
  download: session => [requestOf(session, { bytes: 100_000 })],
  upload: session => [requestOf(session, { sendBytes: 10_240 })],
  routes: session => Array.from({ length: manyRoutes }, (_, i) => requestOf(session, { path: `/teams/team-${i}/x` }))
}

/** @returns shares of the samples by function, the greatest first */
export async function profileOf (world: World, kind: string, seconds: number, file: string): Promise<string> {
  const requestsOf = kinds[kind]
  if (requestsOf === undefined) throw new Error(`there are profiles for ${Object.keys(kinds).join(', ')}`)
  const { machine, cleanup, wrk } = world
  const gateway = await world.another({ isInspected: true, moreRoutes: kind === 'routes' ? manyRoutes : 0 })
  const [session] = await world.signIn(1)
  const requests = writeRequests(cleanup, requestsOf(session!))
  const load = async () => await shoot(machine, wrk, { port: gateway.port, file: requests, seconds })
  await load()
  const inspector = await attachInspector(gateway.inspectorPort!)
  const profile = await inspector.profile(load)
  inspector.close()
  writeFileSync(file, JSON.stringify(profile))
  return sharesOf(profile).slice(0, shown).map(([name, share]) => `${(100 * share).toFixed(1).padStart(5)} %  ${name}`).join('\n')
}

function sharesOf ({ nodes, samples }: Profile): Array<[string, number]> {
  const names = new Map(nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) =>
    [id, `${functionName || '(anonymous)'}  ${url.replace(/^.*\/(?=node_modules|dist)/, '')}:${lineNumber + 1}`]))
  const counts = new Map<string, number>()
  const busy = samples.filter(id => !names.get(id)!.startsWith('(idle)'))
  for (const id of busy) counts.set(names.get(id)!, (counts.get(names.get(id)!) ?? 0) + 1)
  return [...counts].map(([name, count]): [string, number] => [name, count / busy.length]).sort((a, b) => b[1] - a[1])
}
