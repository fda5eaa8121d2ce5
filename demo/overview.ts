/**
 * This file is what the demo prints when it is ready: where everything is, who can sign in, and what to try.
 */
import type { Demo } from './start.ts'

/** Plain text of at most 120 columns. */
export function overviewOf ({ gateway, entra, legacyUrl, ordersUrl, graphUrl }: Demo): string {
  return `
scopegate demo: an app that knows nothing about OAuth, behind a gateway that does.

  open this          ${gateway.url}
  its health         ${gateway.managementUrl}/readyz
  Entra ID emulator  ${entra.origin}
  legacy app         ${legacyUrl}
  orders API         ${ordersUrl}  wants tokens for api://orders
  Graph-like API     ${graphUrl}  wants tokens for Microsoft Graph
  gateway's config   demo/gateway.yaml

Who can sign in
  alice@contoso.example  no password; has the app role Orders.Admin
  bob@contoso.example    no password; has no role
  carol@contoso.example  password Password1!; approves a second factor when a policy asks for one
  admin@contoso.example  no password; may consent for the whole organisation

What to try
  1. Open the page, pick alice, accept. Orders and profile come with two different tokens; the browser has none of them.
  2. Order something: one more permission is asked for, then order again.
  3. Cancel an order as alice, then as bob in a private window: bob lacks the role.
  4. Sign out.

The browser warns about the emulator's certificate: go on, or trust ${entra.caFile}
LOG_LEVEL=info shows every request; ports are changed by DEMO_GATEWAY_PORT, DEMO_MANAGEMENT_PORT, DEMO_EMULATOR_PORT,
DEMO_LEGACY_PORT, DEMO_ORDERS_PORT and DEMO_GRAPH_PORT. Ctrl-C ends everything.
`
}
