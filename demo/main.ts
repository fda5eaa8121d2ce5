/**
 * This file is `npm run demo`: it starts everything, says where it is, and ends it on Ctrl-C.
 */
import { overviewOf } from './overview.ts'
import { DemoFailure, readSettings } from './settings.ts'
import { startDemo } from './start.ts'

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function main (): Promise<number> {
  const demo = await startDemo(readSettings(process.env))
  console.log(overviewOf(demo))
  console.log(`ready ${demo.gateway.url}`)
  const cause = await Promise.race([asked, demo.gateway.ended.then(() => 'gateway' as const)])
  if (cause === 'gateway') console.error('The gateway ended by itself.')
  await demo.close()
  return cause === 'gateway' ? 1 : 0
}

/**
 * The first signal ends the demo. Further ones change nothing: a terminal signals the whole group and npm does once more,
 * so that one Ctrl-C may come twice.
 */
const asked = new Promise<'asked'>(resolve => {
  for (const signal of signals) process.on(signal, () => { resolve('asked') })
})

main().then(
  code => { process.exitCode = code },
  error => {
    console.error(error instanceof DemoFailure ? error.message : error)
    process.exitCode = 1
  }
)
