/** This file is a Map that forgets its oldest entries instead of growing. */

export interface BoundedMap<T> {
  get (key: string): T | undefined
  /** Also makes the entry the newest. */
  set (key: string, value: T): void
  delete (key: string): void
}

export function createBoundedMap<T> (maxEntries: number): BoundedMap<T> {
  const entries = new Map<string, T>()
  return {
    get: key => entries.get(key),
    set (key, value) {
      entries.delete(key)
      entries.set(key, value)
      const [oldest] = entries.keys()
      if (entries.size > maxEntries && oldest !== undefined) entries.delete(oldest)
    },
    delete (key) { entries.delete(key) }
  }
}
