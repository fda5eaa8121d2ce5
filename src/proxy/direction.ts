/**
 * This file is one direction of a tunnel: what one side sends goes to the other unaltered, no faster than it is read, with
 * frames of the gateway in between where there is a gap.
 */
import type { Duplex } from 'node:stream'
import { closeFrame, masked, pingFrame, type Flaw, followFrames, type FrameFollower, type Sender } from './frames.ts'

/** What a direction is made of. */
export interface Ends {
  readonly sender: Sender
  readonly from: Duplex
  readonly to: Duplex
  readonly maxMessageBytes: number
  /** Told at most once: what the sender did wrong. Nothing of it has gone on. */
  readonly onFlaw: (flaw: Flaw) => void
  /** Told when a Close frame of the sender went on. */
  readonly onClose: () => void
}

/** How a direction did since it was asked last. */
export interface Progress {
  /** Whether the sender said anything. */
  readonly isHeard: boolean
  /** Whether the reader has not taken what was written for it, then and now. */
  readonly isStalled: boolean
}

/** Buffers are those of the two sockets: a sender waits while its reader does not read. */
export class Direction {
  readonly #ends: Ends
  readonly #follower: FrameFollower
  /** Our Close frame, once there is one: the last that goes this way. It may have to wait for a gap. */
  #goodbye: Buffer | undefined
  /** Whether nothing more goes this way. What the sender still says is read and dropped. */
  #isOver = false
  #isHeard = false
  /** How often progress was asked for while the sender waits. */
  #waits = 0

  constructor (ends: Ends) {
    this.#ends = ends
    this.#follower = followFrames(ends.sender, ends.maxMessageBytes)
    ends.from.on('data', (chunk: Buffer) => { this.#take(chunk) })
    ends.to.on('drain', () => {
      this.#waits = 0
      ends.from.resume()
    })
    // A socket that undici had does not flow by a listener alone.
    ends.from.resume()
  }

  progress (): Progress {
    if (this.#ends.from.isPaused()) this.#waits++
    const progress = { isHeard: this.#isHeard, isStalled: this.#waits > 1 }
    this.#isHeard = false
    return progress
  }

  /** @returns whether the ping is out: not while a frame of the sender is on its way, nor after a Close frame */
  ping (): boolean {
    if (this.#isOver || !this.#follower.isBetweenFrames()) return false
    this.#write(pingFrame)
    return true
  }

  /** Says goodbye to the reader at the next gap, and ends its socket. After a Close frame of the sender it just ends. */
  close (code: number): void {
    if (this.#goodbye !== undefined) return
    this.#goodbye = this.#ends.sender === 'client' ? masked(closeFrame(code)) : closeFrame(code)
    if (this.#follower.hasClosed() || this.#follower.isBetweenFrames()) this.#finish(this.#goodbye)
  }

  #take (chunk: Buffer): void {
    this.#isHeard = true
    if (this.#isOver) return
    const { passed, gap, flaw } = this.#follower.follow(chunk)
    if (this.#goodbye !== undefined && gap >= 0) {
      this.#write(passed.subarray(0, gap))
      this.#finish(this.#goodbye)
      return
    }
    this.#write(passed)
    if (flaw !== undefined) this.#ends.onFlaw(flaw)
    else if (this.#follower.hasClosed()) this.#ends.onClose()
  }

  #finish (goodbye: Buffer): void {
    if (!this.#follower.hasClosed()) this.#write(goodbye)
    this.#isOver = true
    this.#ends.to.end()
    // What comes now is dropped, but has to be read: the sender's end comes behind it.
    this.#ends.from.resume()
  }

  #write (bytes: Buffer): void {
    const { from, to } = this.#ends
    if (bytes.length > 0 && to.writable && !to.write(bytes)) from.pause()
  }
}
