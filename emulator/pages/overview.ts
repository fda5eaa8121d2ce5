/** This file is the index page: what there is to sign in with, and what has happened so far. */
import type { App, Policy, Tenant, User } from '../directory/directory.ts'
import type { RequestLogEntry } from '../http/request-log.ts'
import { gatewaySnippet } from '../gateway-snippet.ts'
import { html, type SafeHtml } from './html.ts'
import type { Page } from './send.ts'

export interface OverviewPage {
  readonly origin: string
  readonly tenants: readonly Tenant[]
  readonly requests: readonly RequestLogEntry[]
  /** null: policies cannot be switched here, because the admin API is off. */
  readonly flowId: string | null
}

export function overviewPage ({ origin, tenants, requests, flowId }: OverviewPage): Page {
  return {
    title: 'Entra ID emulator',
    body: html`<p>${origin}</p>${tenants.map((tenant) => tenantSection(tenant, origin, flowId))}
      <h2>Requests</h2>
      <table><tr><th>Time</th><th>Endpoint</th><th>Request</th><th>Answer</th></tr>${requests.map(requestRow)}</table>`
  }
}

function tenantSection (tenant: Tenant, origin: string, flowId: string | null): SafeHtml {
  const apps = tenant.apps.filter(({ redirectUris, identifierUris, audience }) => audience === 'single' || redirectUris.web.length + identifierUris.length > 1)
  const gateway = apps.find(({ redirectUris }) => redirectUris.web.length > 0)
  return html`<h2>${tenant.name}</h2><p class="muted">${tenant.id} ${tenant.domains.join(', ')}</p>
    <table><tr><th>User</th><th>Name</th><th>Password</th><th>State</th></tr>${tenant.users.map(userRow)}</table>
    <table><tr><th>App</th><th>Client id</th><th>App ID URI</th><th>Scopes</th></tr>${apps.map(appRow)}</table>
    ${tenant.policies.map((policy) => policyRow(policy, flowId))}
    ${gateway === undefined ? '' : html`<h3>Gateway configuration</h3><pre>${gatewaySnippet({ origin, tenantId: tenant.id, client: gateway })}</pre>`}`
}

const userRow = ({ upn, name, password, state, globalAdmin }: User) =>
  html`<tr><td>${upn}</td><td>${name}${globalAdmin ? ' (admin)' : ''}</td><td>${password ?? 'none needed'}</td><td>${state}</td></tr>`

const appRow = ({ name, clientId, identifierUris, scopes }: App) =>
  html`<tr><td>${name}</td><td>${clientId}</td><td>${identifierUris.join(' ')}</td><td>${scopes.map(({ value }) => value).join(' ')}</td></tr>`

const requestRow = ({ at, endpoint, method, path, status, aadsts }: RequestLogEntry) =>
  html`<tr><td>${at}</td><td>${endpoint}</td><td>${method} ${path}</td><td>${status}${aadsts === null ? '' : ` AADSTS${aadsts}`}</td></tr>`

function policyRow ({ id, name, enabled }: Policy, flowId: string | null): SafeHtml {
  const label = `${name}: ${enabled ? 'on' : 'off'}`
  if (flowId === null) return html`<p>Policy ${label}</p>`
  return html`<form method="post" action="/policy"><input type="hidden" name="flow" value="${flowId}"><input type="hidden" name="policy" value="${id}">
    <button data-testid="policy-toggle" data-policy="${id}" data-enabled="${String(enabled)}">Policy ${label}</button></form>`
}
