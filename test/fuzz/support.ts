/**
 * This file makes inputs for property tests: seeds from `corpus/`, the same with a few things changed, and noise. Each seed is
 * tried every time; of the others as many as a few seconds allow, or `FUZZ_RUNS` of them however long that takes.
 */
import { readFileSync } from 'node:fs'
import fc from 'fast-check'

const wanted = process.env.FUZZ_RUNS

/** How long one property runs. @param numRuns - at most, unless the environment says otherwise */
export function bounded (numRuns = 4000): fc.Parameters<any> {
  if (wanted !== undefined) return { numRuns: Number(wanted) }
  return { numRuns, interruptAfterTimeLimit: 1000, markInterruptAsFailure: false }
}

/** The seeds of a parser. Each line of its file is a JSON text. */
export function corpus (parser: string): readonly string[] {
  const lines = readFileSync(new URL(`corpus/${parser}.txt`, import.meta.url), 'utf8').split('\n').slice(0, -1)
  return lines.map(line => JSON.parse(line))
}

const noise = fc.oneof(...(['binary-ascii', 'binary', 'grapheme'] as const).map(unit => fc.string({ unit, maxLength: 40 })))

/** Seeds, seeds that were cut and joined, and noise. */
export function near (seeds: readonly string[]): fc.Arbitrary<string> {
  const seed = fc.constantFrom(...seeds)
  const changed = fc.tuple(seed, fc.nat(200), fc.nat(6), fc.oneof(seed, fc.string({ unit: 'binary-ascii', maxLength: 3 })))
    .map(([text, at, cut, more]) => text.slice(0, at % (text.length + 1)) + more + text.slice(at % (text.length + 1) + cut))
  return fc.oneof({ weight: 4, arbitrary: changed }, { weight: 1, arbitrary: noise })
}

/** Holds a property against every seed of a parser and what lies near them. */
export function holds (parser: string, property: (text: string) => boolean): void {
  const seeds = corpus(parser)
  fc.assert(fc.property(near(seeds), property), { ...bounded(), examples: seeds.map(seed => [seed]) })
}
