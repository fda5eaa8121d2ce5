/** This file is haproxy as a bare proxy: one thread, connections to the application that anybody may use again, no log. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Place, Program } from './peer.ts'

export const haproxy: Program = {
  name: 'haproxy',
  hint: 'Debian: apt-get install haproxy',
  find (machine) {
    const program = machine.find('haproxy')
    if (program === undefined) return undefined
    return {
      version: /version (\S+)/.exec(execFileSync(program, ['-v'], { encoding: 'utf8' }))?.[1] ?? 'unknown',
      peers: [{
        name: 'haproxy, bare',
        bars: { get: { atLeast: 0.23, stretch: 0.33 } },
        prepare (place) {
          const file = join(place.folder, 'haproxy.cfg')
          writeFileSync(file, configOf(place))
          return { command: [program, '-db', '-q', '-f', file] }
        }
      }]
    }
  }
}

function configOf ({ port, appPort }: Place): string {
  return `
global
  nbthread 1
  maxconn 4096

defaults
  mode http
  http-reuse always
  timeout connect 5s
  timeout client 60s
  timeout server 60s

listen app
  bind 127.0.0.1:${port}
  server app 127.0.0.1:${appPort}
`
}
