/**
 * This file asks for many records at once: what is asked for within one turn of the event loop goes into one command. On a
 * busy gateway many sessions have to be read again in the same turn, and a command of its own costs each more than the
 * record does.
 */

/** In one command; Redis serves nobody else meanwhile. */
const maxTogether = 100

interface Together<V> {
  readonly keys: string[]
  readonly values: Promise<Values<V>>
}

type Values<V> = ReadonlyArray<V | undefined>

/**
 * @param getMany - the values of keys, in their order; undefined for a record that does not exist
 * @returns a `get` that fails as the command fails that its key went with
 */
export function gathered<V> (getMany: (keys: string[]) => Promise<Values<V>>): (key: string) => Promise<V | undefined> {
  let open: Together<V> | undefined

  function begin (): Together<V> {
    const keys: string[] = []
    const together = { keys, values: send() }
    return together

    async function send (): Promise<Values<V>> {
      // After all who may still ask in this turn.
      await new Promise(resolve => { setImmediate(resolve) })
      if (open === together) open = undefined
      return await getMany(keys)
    }
  }

  return async key => {
    if (open === undefined || open.keys.length === maxTogether) open = begin()
    const { keys, values } = open
    const at = keys.push(key) - 1
    return (await values)[at]
  }
}
