/**
 * This file is the shape of a peer: another program that does what the gateway does, or a part of it.
 *
 * Fair means: one processor, the same for everybody; connections to the application that stay open; no log; no limit that a run
 * would meet; of what the upstream gets, the access token and nothing else that could be left out.
 */
import type { Machine } from '../machine.ts'
import type { Start } from '../processes.ts'
import type { Bar } from '../result.ts'
import type { World } from '../world.ts'

/** A program, looked for on this machine. */
export interface Program {
  readonly name: string
  /** How somebody gets it. */
  readonly hint: string
  /** @returns undefined when something of it is missing */
  find (machine: Machine): Found | undefined
}

export interface Found {
  readonly version: string
  /** The ways to run it. */
  readonly peers: readonly Peer[]
}

export interface Peer {
  readonly name: string
  /** How many times as fast the gateway has to be. */
  readonly bars: Bars
  /** How it signs users in; absent: it is a bare proxy. */
  readonly signIn?: SignIn
  /** Writes what it needs into its folder. */
  prepare (place: Place): Prepared | Promise<Prepared>
}

export type Bars = Readonly<Partial<Record<'get' | 'download' | 'upload', Bar>>>

export interface SignIn {
  readonly callbackPath: string
  /** See `Doors` of people.ts. */
  readonly startPath: string
  readonly prefix: string
}

export type Prepared = Pick<Start, 'command' | 'env' | 'endSignal'>

/** Where a peer runs. */
export interface Place extends Pick<World, 'appPort' | 'redisPort' | 'entra'> {
  readonly port: number
  /** What browsers call it. */
  readonly publicUrl: string
  /** Readable by everybody: some programs change their user. */
  readonly folder: string
}
