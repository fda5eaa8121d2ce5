/** This file sends a page: one frame around every body, and the Content-Security-Policy that fits it. */
import type { FastifyReply } from 'fastify'
import { createHandle } from '../state.ts'
import { html, type SafeHtml } from './html.ts'

export interface Page {
  readonly title: string
  readonly body: SafeHtml
  readonly status?: number
  /** Origins a form may end at besides the emulator: browsers apply `form-action` to the redirect after a form as well. */
  readonly formOrigins?: readonly string[]
  /** Origins the page frames; only sign-out has any. */
  readonly frameOrigins?: readonly string[]
  /** A constant of this code; the page works without it. */
  readonly script?: SafeHtml
  /** URL to go to after two seconds. */
  readonly next?: string
}

export function sendPage (reply: FastifyReply, page: Page): FastifyReply {
  const nonce = createHandle(22)
  return reply
    .code(page.status ?? 200)
    .header('content-security-policy', policyOf(page, nonce))
    .header('x-frame-options', 'DENY')
    .type('text/html; charset=utf-8')
    .send(documentOf(page, nonce).text)
}

function policyOf (page: Page, nonce: string): string {
  const frames = page.frameOrigins ?? []
  return [
    "default-src 'none'",
    "style-src 'self'",
    `form-action ${["'self'", ...page.formOrigins ?? []].join(' ')}`,
    "frame-ancestors 'none'",
    "base-uri 'none'",
    ...(frames.length > 0 ? [`frame-src ${frames.join(' ')}`] : []),
    ...(page.script === undefined ? [] : [`script-src 'nonce-${nonce}'`])
  ].join('; ')
}

function documentOf (page: Page, nonce: string): SafeHtml {
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title} - local emulator</title>
<link rel="stylesheet" href="/emulator.css">
${page.next === undefined ? '' : html`<meta http-equiv="refresh" content="2;url=${page.next}">`}
</head>
<body>
<p class="banner" role="note">LOCAL EMULATOR - not Microsoft</p>
<main>
<h1>${page.title}</h1>
${page.body}
</main>
${page.script === undefined ? '' : html`<script nonce="${nonce}">${page.script}</script>`}
</body>
</html>
`
}
