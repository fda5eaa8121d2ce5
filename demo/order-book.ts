/**
 * This file keeps the orders, in memory and by owner.
 */

/** What a person asks for. */
export interface NewOrder {
  readonly item: string
  readonly quantity: number
}

/** What was ordered. */
export interface Order extends NewOrder {
  readonly id: number
  /** ISO date. */
  readonly orderedOn: string
}

/** Owners are object IDs of users; nobody gets to see the orders of others. */
export interface OrderBook {
  list (owner: string): readonly Order[]
  add (owner: string, order: NewOrder): Order
  /** @returns false when the owner has no such order */
  cancel (owner: string, id: number): boolean
}

/** What everybody finds on the first visit. */
const samples: readonly NewOrder[] = [{ item: 'Desk lamp', quantity: 2 }, { item: 'Notebook, dotted', quantity: 10 }]

/** An order book that is empty but for the samples. */
export function createOrderBook (): OrderBook {
  const orders = new Map<string, Order[]>()
  let lastId = 1000

  function create ({ item, quantity }: NewOrder): Order {
    lastId += 1
    return { id: lastId, item, quantity, orderedOn: new Date().toISOString().slice(0, 10) }
  }

  function ordersOf (owner: string): Order[] {
    const list = orders.get(owner) ?? samples.map(create)
    orders.set(owner, list)
    return list
  }

  return {
    list: ordersOf,
    add (owner, order) {
      const created = create(order)
      ordersOf(owner).push(created)
      return created
    },
    cancel (owner, id) {
      const list = ordersOf(owner)
      const index = list.findIndex(order => order.id === id)
      if (index >= 0) list.splice(index, 1)
      return index >= 0
    }
  }
}
