/**
 * This file compares: contenders take turns, round after round, and each ratio is the median of the ratios of single rounds.
 * What the machine does meanwhile then happens to all of them.
 */
import { setTimeout as delay } from 'node:timers/promises'

export interface Contender<T> {
  readonly name: string
  measure (): Promise<T>
}

/** What every contender brought, round by round. */
export type Rounds<T> = Readonly<Record<string, readonly T[]>>

/** For the work of the one before to end, and for a process that had no time meanwhile to notice that it has some again. */
const pauseMs = 500

/** The first round warms up and does not count. */
export async function takeTurns<T> (contenders: ReadonlyArray<Contender<T>>, rounds: number): Promise<Rounds<T>> {
  const results: Record<string, T[]> = Object.fromEntries(contenders.map(({ name }) => [name, []]))
  for (let round = 0; round <= rounds; round++) {
    // Every other round the other way round: nobody always comes after the same one.
    const order = round % 2 === 0 ? contenders : [...contenders].reverse()
    for (const { name, measure } of order) {
      await delay(pauseMs)
      const result = await measure().catch(cause => { throw new Error(`${name} failed`, { cause }) })
      if (round > 0) results[name]!.push(result)
    }
  }
  return results
}

export function median (values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b)
  const middle = sorted.length >> 1
  return sorted.length % 2 === 1 ? sorted[middle]! : (sorted[middle - 1]! + sorted[middle]!) / 2
}

/** The median over the rounds of `one` divided by `other` in the same round. */
export function ratioOf (one: readonly number[], other: readonly number[]): number {
  return median(one.map((value, round) => value / other[round]!))
}
