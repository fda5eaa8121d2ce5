/** This file says what the rules look at (a config of which everything with a problem was taken out) and what they may do. */
import type { Static } from 'typebox'
import type { Draft } from './draft.ts'
import type { Reader } from './reader.ts'
import type { ConfigSchema, KeyListSchema } from './schema.ts'

type Written = Static<typeof ConfigSchema>
type Holes<T> = { [K in keyof T]?: T[K] | undefined }
type Credential = Written['entra']['clientCredentials'][number]

export type SoundRoute = Written['routes'][number]
export type SoundKeys = (Holes<Static<typeof KeyListSchema>[number]> | undefined)[]

/** Every part may be missing; an undefined entry of a list or map was there and had a problem. */
export interface SoundConfig {
  server?: Holes<Written['server']> | undefined
  entra?: Holes<Omit<Written['entra'], 'clientCredentials'>> & { clientCredentials?: (Credential | undefined)[] | undefined } | undefined
  session?: Written['session'] | undefined
  store?: Written['store'] | undefined
  keys?: SoundKeys | { file?: string | undefined } | undefined
  upstreams?: Record<string, Written['upstreams'][string] | undefined> | undefined
  routes?: (SoundRoute | undefined)[] | undefined
}

/** What a rule may do: report, name a line, show a text unless it is secret. */
export interface RuleContext extends Pick<Draft<unknown>, 'report' | 'lineOf'>, Pick<Reader, 'show'> {
  /** Whether a package can be imported. */
  readonly hasPackage: (name: string) => boolean
}
