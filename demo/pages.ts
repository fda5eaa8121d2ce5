/**
 * This file is the pages of the legacy app. They are whole without a script, except for what comes from the APIs.
 */
import { html, type Html } from './html.ts'

/** Who is there, as the headers of the request say. */
export interface Visitor {
  readonly name: string
  readonly id: string
}

/** The start page. Its table and its form come to life by the script. */
export function ordersPage (visitor: Visitor): string {
  return page('Orders', visitor, html`
<section aria-labelledby="orders-title" class="card">
  <h1 id="orders-title">Your orders</h1>
  <div id="message" role="status"></div>
  <table data-testid="orders" data-load="orders" aria-busy="true">
    <thead><tr>
      <th scope="col">Order</th><th scope="col">Item</th><th scope="col" class="number">Quantity</th><th scope="col">Ordered on</th>
      <th scope="col"><span class="hidden">Actions</span></th>
    </tr></thead>
    <tbody></tbody>
  </table>
  <p class="seen" data-testid="orders-seen"></p>
</section>
<section aria-labelledby="new-order-title" class="card">
  <h2 id="new-order-title">New order</h2>
  <form id="new-order" class="row">
    <label class="wide">Item <input name="item" required maxlength="60" value="Blue pen" data-testid="item"></label>
    <label>Quantity <input name="quantity" type="number" required min="1" max="999" value="5" data-testid="quantity"></label>
    <button class="primary" data-testid="new-order">Order</button>
  </form>
  <p class="seen">The first order asks for one more permission, <code>Orders.Write</code>; nobody has to give it before.</p>
</section>`)
}

/** Who the user is: as Graph says, and as the headers say. */
export function profilePage (visitor: Visitor): string {
  return page('Profile', visitor, html`
<section aria-labelledby="profile-title" class="card">
  <h1 id="profile-title">Your profile</h1>
  <div id="message" role="status"></div>
  <h2>From Microsoft Graph</h2>
  <dl data-load="profile" aria-busy="true">
    <dt>Name</dt><dd data-field="displayName" data-testid="profile-name"></dd>
    <dt>E-mail</dt><dd data-field="mail" data-testid="profile-mail"></dd>
    <dt>Object ID</dt><dd data-field="id"></dd>
  </dl>
  <p class="seen" data-testid="profile-seen"></p>
  <h2>From the headers of this request</h2>
  <dl>
    <dt>X-MS-CLIENT-PRINCIPAL-NAME</dt><dd>${visitor.name}</dd>
    <dt>X-MS-CLIENT-PRINCIPAL-ID</dt><dd>${visitor.id}</dd>
  </dl>
</section>`)
}

/** The page for an address that the app does not know. */
export function missingPage (visitor: Visitor): string {
  return page('Not found', visitor, html`
<section class="card">
  <h1>There is no such page</h1>
  <p><a href="/">Back to your orders</a></p>
</section>`)
}

function page (title: string, { name }: Visitor, content: Html): string {
  const link = (href: string, text: string): Html => {
    return html`<a href="${href}"${text === title ? html` aria-current="page"` : ''}>${text}</a>`
  }
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title} - Contoso Supplies</title>
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/assets/app.css">
<script src="/assets/app.js" defer></script>
</head>
<body>
<header>
  <strong>Contoso Supplies</strong>
  <nav aria-label="Pages">${link('/', 'Orders')}${link('/profile', 'Profile')}</nav>
  <span class="user">Signed in as <b data-testid="user-name">${name}</b></span>
  <a href="/.auth/logout" class="button" data-testid="sign-out">Sign out</a>
</header>
<main>
<noscript><p class="card">This page loads orders and profile with a script; please allow it.</p></noscript>
${content}
</main>
</body>
</html>
`.html
}
