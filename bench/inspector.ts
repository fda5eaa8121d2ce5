/** This file asks a process of Node, through its inspector, what it holds in memory and where its time goes. */
import { once } from 'node:events'
import { WebSocket } from 'ws'

export interface Inspector {
  /** Collects all garbage. @returns bytes of the heap that are in use, and of what it holds outside of the heap */
  liveBytes (): Promise<number>
  /** Samples the stack while something goes on. */
  profile (during: () => Promise<unknown>): Promise<Profile>
  close (): void
}

/** What V8 makes of it (`.cpuprofile`). */
export interface Profile {
  readonly nodes: ReadonlyArray<{
    readonly id: number
    readonly callFrame: { readonly functionName: string, readonly url: string, readonly lineNumber: number }
  }>
  readonly samples: readonly number[]
}

export async function attachInspector (port: number): Promise<Inspector> {
  const [target] = await (await fetch(`http://127.0.0.1:${port}/json/list`)).json() as [{ webSocketDebuggerUrl: string }]
  const socket = new WebSocket(target.webSocketDebuggerUrl, { maxPayload: 0 })
  await once(socket, 'open')
  let calls = 0

  async function call (method: string, params = {}): Promise<any> {
    const id = ++calls
    socket.send(JSON.stringify({ id, method, params }))
    while (true) {
      const [message] = await once(socket, 'message')
      const answer = JSON.parse(String(message))
      if (answer.id === id) return answer.result
    }
  }

  return {
    async liveBytes () {
      // What a first round finalizes, a second one frees.
      for (let rounds = 0; rounds < 2; rounds++) await call('HeapProfiler.collectGarbage')
      const { result } = await call('Runtime.evaluate', { expression: '(u => u.heapUsed + u.external)(process.memoryUsage())' })
      return result.value
    },
    async profile (during) {
      await call('Profiler.enable')
      await call('Profiler.setSamplingInterval', { interval: 250 })
      await call('Profiler.start')
      await during()
      const { profile } = await call('Profiler.stop')
      return profile
    },
    close () { socket.terminate() }
  }
}
