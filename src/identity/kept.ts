/**
 * This file keeps what a service handed out for as long as it is good: asked for again in good time, in the background,
 * so that nobody waits for it, and kept in use while the service is away.
 */

/** What a service handed out. Epoch milliseconds. */
export interface Handed<T> {
  readonly value: T
  /** From then on there may be a newer one. */
  readonly renewAt: number
  /** From then on it is of no use. */
  readonly endsAt: number
}

export interface Kept<T> {
  /** @throws what `ask` threw, when there is nothing that could serve instead */
  get (): Promise<T>
  /** What is kept was rejected somewhere: the next `get` asks first. */
  distrust (): void
}

export interface KeptOptions<T> {
  readonly ask: () => Promise<Handed<T>>
  readonly now: () => number
  /** Of a renewal that nobody waited for. */
  readonly onFailed: (error: unknown) => void
}

/** A service that is in trouble, or that keeps handing out what is rejected, is not asked more often than this. */
const cooldownMs = 30_000

export function createKept<T> ({ ask, now, onFailed }: KeptOptions<T>): Kept<T> {
  let held: Handed<T> | undefined
  let isDistrusted = false
  let askedAt = Number.NEGATIVE_INFINITY
  let underWay: Promise<T> | undefined

  async function renew (): Promise<T> {
    askedAt = now()
    held = await ask()
    isDistrusted = false
    return held.value
  }

  function renewOnce (): Promise<T> {
    underWay ??= renew().finally(() => { underWay = undefined })
    return underWay
  }

  return {
    async get () {
      const at = now()
      if (held === undefined || at >= held.endsAt) return renewOnce()
      const { value, renewAt } = held
      if (Math.abs(at - askedAt) < cooldownMs || (at < renewAt && !isDistrusted)) return value
      const renewal = renewOnce().catch(error => {
        onFailed(error)
        return value
      })
      return isDistrusted ? renewal : value
    },
    distrust () { isDistrusted = true }
  }
}
