/** This file is the reverse proxy of Go's standard library, built for the run. */
import { execFile, execFileSync } from 'node:child_process'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { sourcePath } from '../processes.ts'
import type { Program } from './peer.ts'

export const goProxy: Program = {
  name: 'Go httputil.ReverseProxy',
  hint: 'Debian: apt-get install golang-go',
  find (machine) {
    const go = machine.find('go')
    if (go === undefined) return undefined
    return {
      version: /go\d[\w.]*/.exec(execFileSync(go, ['version'], { encoding: 'utf8' }))?.[0] ?? 'unknown',
      peers: [{
        name: 'Go ReverseProxy, bare',
        bars: { get: { atLeast: 1, stretch: 1.3 } },
        async prepare ({ port, folder, appPort }) {
          const program = join(folder, 'go-proxy')
          await promisify(execFile)(go, ['build', '-o', program, sourcePath('peers/go-proxy/main.go')])
          return { command: [program, `127.0.0.1:${port}`, `http://127.0.0.1:${appPort}`], env: { GOMAXPROCS: '1' } }
        }
      }]
    }
  }
}
