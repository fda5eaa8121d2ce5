/** This file makes work that is asked for twice happen once, and work on one account happen in turn. */

export interface Flights<T> {
  /** Joins the flight of that name, or starts it. */
  join (name: string, start: () => Promise<T>): Promise<T>
}

/** A name must contain everything that shapes the result: whoever joins gets it unseen. */
export function createFlights<T> (): Flights<T> {
  const underWay = new Map<string, Promise<T>>()
  return {
    join (name, start) {
      const flight = underWay.get(name)
      if (flight !== undefined) return flight
      const started = start().finally(() => underWay.delete(name))
      underWay.set(name, started)
      return started
    }
  }
}

export interface Turns {
  /** Runs the work when all earlier work under this name has ended, however it ended. */
  take<T> (name: string, work: () => Promise<T>): Promise<T>
}

export function createTurns (): Turns {
  const last = new Map<string, Promise<unknown>>()
  return {
    take (name, work) {
      const turn = (last.get(name) ?? Promise.resolve()).then(work, work)
      const settled = turn.catch(() => {}).finally(() => {
        if (last.get(name) === settled) last.delete(name)
      })
      last.set(name, settled)
      return turn
    }
  }
}
