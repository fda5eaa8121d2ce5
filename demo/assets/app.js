/**
 * This script fills the pages of the legacy app from two APIs. It holds no token and knows no protocol: it calls its own
 * origin, and when the answer says that a sign-in would help, it goes there.
 */
const orders = document.querySelector('[data-load=orders]')
const profile = document.querySelector('[data-load=profile]')
const newOrder = document.querySelector('#new-order')
const draftKey = 'draft of an order'

if (orders !== null) run(loadOrders)
if (profile !== null) run(loadProfile)
if (newOrder !== null) {
  restoreDraft()
  newOrder.addEventListener('submit', event => {
    event.preventDefault()
    run(createOrder)
  })
}

/** Runs one step of the page and shows what went wrong in it. */
async function run (step) {
  try {
    await step()
  } catch (error) {
    say(error.message, 'problem')
  }
}

async function loadOrders () {
  const { orders: list, seen } = await call('/api/orders')
  orders.tBodies[0].replaceChildren(...list.map(rowOf))
  orders.ariaBusy = 'false'
  showSeen('orders-seen', seen)
}

async function loadProfile () {
  const me = await call('/graph/me')
  for (const field of profile.querySelectorAll('[data-field]')) field.textContent = me[field.dataset.field]
  profile.ariaBusy = 'false'
  showSeen('profile-seen', me.seen)
}

async function createOrder () {
  const { item, quantity } = Object.fromEntries(new FormData(newOrder))
  // The answer may lead to the consent page, and what was typed should be there again afterwards.
  sessionStorage.setItem(draftKey, JSON.stringify({ item, quantity }))
  const { order, seen } = await call('/api/orders', {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify({ item, quantity: Number(quantity) })
  })
  sessionStorage.removeItem(draftKey)
  newOrder.reset()
  await loadOrders()
  say(`Order ${order.id} created, with a token for ${seen.api} (${seen.scp}).`, 'order-created')
}

async function cancelOrder (id) {
  await call(`/api/orders/${id}`, { method: 'DELETE' })
  await loadOrders()
  say(`Order ${id} cancelled.`, 'order-cancelled')
}

function restoreDraft () {
  const draft = sessionStorage.getItem(draftKey)
  if (draft === null) return
  sessionStorage.removeItem(draftKey)
  for (const [name, value] of Object.entries(JSON.parse(draft))) newOrder.elements.namedItem(name).value = value
  say('Your order is not sent yet: press Order again.', 'draft')
}

/**
 * Calls an API and gives its JSON. When a sign-in is needed, for a first permission or a further one, the browser leaves
 * this page, and the promise stays open.
 */
async function call (url, options = {}) {
  const response = await fetch(url, options)
  const body = await response.json()
  if (response.ok) return body
  if (response.status === 401 && body.loginUrl !== undefined) return await signIn(body.loginUrl)
  throw new Error(`${body.title ?? body.error} (${body.code ?? response.status})`)
}

/** Everything in the address is the gateway's business, except for the page to come back to: that is this one. */
function signIn (loginUrl) {
  const { href, pathname, search, hash } = window.location
  const url = new URL(loginUrl, href)
  url.searchParams.set('post_login_redirect_uri', pathname + search + hash)
  window.location.assign(url)
  return new Promise(() => {})
}

function rowOf ({ id, item, quantity, orderedOn }) {
  const row = document.createElement('tr')
  row.dataset.testid = 'order-row'
  for (const value of [id, item, quantity, orderedOn]) row.insertCell().textContent = value
  row.cells[2].className = 'number'
  const button = document.createElement('button')
  button.dataset.testid = 'cancel-order'
  button.ariaLabel = `Cancel order ${id}`
  button.textContent = 'Cancel'
  button.addEventListener('click', () => run(() => cancelOrder(id)))
  row.insertCell().append(button)
  return row
}

/** What the API says about the token that the gateway put in. */
function showSeen (testId, { api, aud, scp, name }) {
  const line = document.querySelector(`[data-testid=${testId}]`)
  line.textContent = `Served with a token for ${api} (${scp})\nAudience ${aud}, user ${name}`
}

/** Shows one message, in the place of the one before. */
function say (text, testId) {
  const message = document.createElement('p')
  message.dataset.testid = testId
  message.textContent = text
  document.querySelector('#message').replaceChildren(message)
}
