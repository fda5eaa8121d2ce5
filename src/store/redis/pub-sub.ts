/**
 * This file passes messages between replicas, on a connection of its own: one that has subscribed takes no other
 * commands. Redis keeps no message for a subscriber that is away, so every return of the connection is reported as a gap.
 */
import { type Client, disconnect, type OnLost } from './connect.ts'
import { withDeadline } from '../deadline.ts'
import { createLink, type Link } from '../link.ts'
import type { Log, TroubleLog } from '../trouble.ts'

export interface Subscription {
  readonly listener: (message: string) => void
  /** Messages may have been lost until now. Called whenever the connection was made, the first time too. */
  readonly onGap: () => void
}

export interface Subscriber {
  /** Hears a channel from the next gap on. Does not wait and does not fail. @returns ends the subscription */
  subscribe (channel: string, subscription: Subscription): () => void
  close (): Promise<void>
}

interface Ear {
  join (channel: string): Promise<void>
  check (): Promise<void>
  close (): Promise<void>
}

/** @param open - called once there is something to subscribe to */
export function createSubscriber (open: (onLost: OnLost) => Promise<Client>, trouble: TroubleLog, log: Log): Subscriber {
  const subscriptions = new Map<string, Set<Subscription>>()
  let link: Link<Ear> | undefined

  /** A listener that throws must not reach the client: it takes errors in there for broken replies. */
  function call (what: () => void): void {
    try {
      what()
    } catch (error) {
      log.error({ event: 'store.listener_failed', err: error }, 'a listener of the store failed')
    }
  }

  function deliver (message: string, channel: string): void {
    for (const { listener } of subscriptions.get(channel) ?? []) call(() => { listener(message) })
  }

  async function openEar (onLost: OnLost): Promise<Ear> {
    const client = await open(onLost)
    const joined = new Map<string, Promise<void>>()
    const ear: Ear = {
      async join (channel) {
        const joining = joined.get(channel) ?? withDeadline(client.subscribe(channel, deliver))
        joined.set(channel, joining)
        await joining
      },
      check: async () => { await withDeadline(client.ping()) },
      close: async () => { disconnect(client) }
    }
    try {
      for (const channel of subscriptions.keys()) await ear.join(channel)
      await ear.check()
      return ear
    } catch (error) {
      disconnect(client)
      throw error
    }
  }

  /** The gap ends when the channel has been joined; on a new connection that was not so for topics that came meanwhile. */
  function begin (ear: Ear, channel: string, begun: Iterable<Subscription>): void {
    ear.join(channel).then(
      () => { for (const { onGap } of begun) call(onGap) },
      cause => { link?.doubt(cause) }
    )
  }

  function onUp (ear: Ear): void {
    trouble.up()
    for (const [channel, set] of subscriptions) begin(ear, channel, set)
  }

  return {
    subscribe (channel, subscription) {
      const set = subscriptions.get(channel) ?? new Set()
      subscriptions.set(channel, set.add(subscription))
      link ??= createLink<Ear>({ open: openEar, onUp, onDown: trouble.down })
      const ear = link.current()
      if (ear !== undefined) begin(ear, channel, [subscription])
      return () => { set.delete(subscription) }
    },
    close: async () => { await link?.close() }
  }
}
