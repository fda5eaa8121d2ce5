/**
 * This file keeps a connection up: it checks it every second, and opens another one as soon as it is in doubt. The old
 * one stays in use until the new one has answered, because a part of it may still work (a Cluster that lost a node).
 */

export interface Checkable {
  check (): Promise<void>
  close (): Promise<void>
}

export interface Link<C> {
  /** The last connection that was good, if there ever was one. */
  current (): C | undefined
  /** Whether the connection is there and nothing has called it into doubt. */
  isUp (): boolean
  /** Has the connection replaced. */
  doubt (cause: unknown): void
  close (): Promise<void>
}

/** Told of each check that is over, and of each attempt at a connection, with its time in seconds. */
export type OnCheck = (outcome: 'ok' | 'failed', seconds: number) => void

export interface LinkOptions<C> {
  /** @param onLost - to be called when the connection breaks later */
  open (onLost: (cause: unknown) => void): Promise<C>
  /** A connection, the first or another one, has answered. */
  onUp (connection: C): void
  /** Called for each failure, also for those that repeat. */
  onDown (cause: unknown): void
  readonly onCheck?: OnCheck | undefined
}

const checkEveryMs = 1000
const minBackOffMs = 50
const maxBackOffMs = 2000

/** Tries for ever, first at once. Never throws: a gateway starts without its store. */
export function createLink<C extends Checkable> ({ open, onUp, onDown, onCheck }: LinkOptions<C>): Link<C> {
  let current: C | undefined
  let opened = 0
  let inUse = 0
  let trouble: { readonly cause: unknown } | undefined
  const state = { isClosed: false }
  let wake = (): void => {}
  const running = run()

  async function run (): Promise<void> {
    let failures = 0
    while (!state.isClosed) {
      try {
        // Only a connection that has lasted counts as a success: one that breaks at once must not be retried at once.
        if (await look() === 'lasted') failures = 0
        await pause(checkEveryMs)
        if (trouble !== undefined) throw trouble.cause
      } catch (cause) {
        if (state.isClosed) break
        trouble = { cause }
        onDown(cause)
        await pause(backOffMs(failures++))
      }
    }
    await current?.close()
    current = undefined
  }

  /** Checks the connection, or opens another one where that is in doubt. */
  async function look (): Promise<'lasted' | 'replaced'> {
    const startedAt = performance.now()
    let outcome: 'ok' | 'failed' = 'failed'
    try {
      const isDoubtful = current === undefined || trouble !== undefined
      await (isDoubtful ? replace() : current!.check())
      outcome = 'ok'
      return isDoubtful ? 'replaced' : 'lasted'
    } finally {
      onCheck?.(outcome, (performance.now() - startedAt) / 1000)
    }
  }

  async function replace (): Promise<void> {
    const number = ++opened
    // What is lost while it is being opened, or after it was replaced, says nothing about the one in use.
    const fresh = await open(cause => { if (number === inUse) doubt(cause) })
    const old = current
    current = fresh
    inUse = number
    trouble = undefined
    onUp(fresh)
    await old?.close()
  }

  async function pause (ms: number): Promise<void> {
    if (state.isClosed) return
    await new Promise<void>(resolve => {
      const timer = setTimeout(resolve, ms)
      wake = () => {
        clearTimeout(timer)
        resolve()
      }
    })
  }

  function doubt (cause: unknown): void {
    if (trouble !== undefined) return
    trouble = { cause }
    wake()
  }

  return {
    current: () => current,
    isUp: () => current !== undefined && trouble === undefined,
    doubt,
    async close () {
      state.isClosed = true
      wake()
      await running
    }
  }
}

/** Anywhere between the least and twice as much each time: replicas that lost the same server do not return as one. */
function backOffMs (failures: number): number {
  const most = Math.min(maxBackOffMs, minBackOffMs * 2 ** (failures + 1))
  return minBackOffMs + Math.random() * (most - minBackOffMs)
}
