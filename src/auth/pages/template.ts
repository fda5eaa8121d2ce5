/**
 * This file makes HTML: one template tag that escapes what is put into it, and the frame of every page.
 */
import { createHash } from 'node:crypto'

/** HTML that was made by the tag and needs no escaping any more. */
export interface Html {
  readonly html: string
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

/** Builds HTML; every value is escaped unless it is HTML itself. Suits element content and quoted attributes only. */
export function html (parts: TemplateStringsArray, ...values: ReadonlyArray<string | Html>): Html {
  const text = parts.map((part, i) => part + (i < values.length ? render(values[i]!) : ''))
  return { html: text.join('') }
}

function render (value: string | Html): string {
  return typeof value === 'string' ? value.replace(/[&<>"']/g, character => escapes[character]!) : value.html
}

const style = `
:root { color-scheme: light dark; --ink: #1b1f24; --paper: #f6f7f9; --card: #fff; --quiet: #57606a; --line: #d0d7de; --accent: #0b57d0 }
@media (prefers-color-scheme: dark) { :root { --ink: #e6edf3; --paper: #0d1117; --card: #161b22; --quiet: #9aa4ae; --line: #30363d; --accent: #79b0ff } }
* { box-sizing: border-box }
body { margin: 0; min-height: 100vh; display: grid; place-items: center; padding: 1rem; background: var(--paper); color: var(--ink); font: 1rem/1.5 system-ui, sans-serif }
main { width: 100%; max-width: 30rem; padding: 2rem; background: var(--card); border: 1px solid var(--line); border-radius: .75rem }
h1 { margin: 0 0 .75rem; font-size: 1.375rem; line-height: 1.25 }
h2 { margin: 1.5rem 0 .5rem; font-size: 1rem; line-height: 1.5 }
p { margin: 0 0 1rem }
code { display: block; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .375rem; font: .8125rem/1.5 ui-monospace, monospace; overflow-wrap: anywhere; user-select: all }
dl { margin: 1.5rem 0 0; padding-top: 1rem; border-top: 1px solid var(--line); font-size: .8125rem; color: var(--quiet); display: grid; grid-template-columns: auto 1fr; gap: .125rem .75rem }
dd { margin: 0; font-family: ui-monospace, monospace; overflow-wrap: anywhere }
a, button { display: inline-block; padding: .5rem 1rem; border: 1px solid var(--accent); border-radius: .375rem; background: none; color: var(--accent); font: inherit; text-decoration: none; cursor: pointer }
a:focus-visible, button:focus-visible { outline: 3px solid var(--accent); outline-offset: 2px }
`

/** The Content-Security-Policy source of the one style sheet that pages carry. */
export const styleSource = `'sha256-${createHash('sha256').update(style).digest('base64')}'`

/** A whole page. It loads nothing from anywhere. */
export function page (title: string, content: Html): string {
  return html`<!doctype html>
<html lang="en">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${{ html: style }}</style></head>
<body><main><h1>${title}</h1>${content}</main></body>
</html>
`.html
}
