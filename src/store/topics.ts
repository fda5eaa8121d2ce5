/** This file passes messages within one process, for stores that have no way to other replicas, or need none. */
import type { Store } from './store.ts'

export type Topics = Pick<Store, 'publish' | 'subscribe'>

/** Listeners hear a message before `publish` returns. There are no gaps but the one before the subscription. */
export function createTopics (): Topics {
  const listeners = new Map<string, Set<(message: string) => void>>()

  return {
    async publish (topic, message) { for (const listener of listeners.get(topic) ?? []) listener(message) },
    subscribe (topic, listener, onGap) {
      const heard = listeners.get(topic) ?? new Set()
      listeners.set(topic, heard.add(listener))
      onGap()
      return () => { heard.delete(listener) }
    }
  }
}
