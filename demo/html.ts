/**
 * This file makes HTML: a template tag that escapes whatever is put into it.
 */

/** HTML that was made by the tag and needs no escaping any more. */
export interface Html {
  readonly html: string
}

const escapes: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', '\'': '&#39;' }

/** Every value is escaped unless it is HTML itself. For element content and quoted attributes. */
export function html (parts: TemplateStringsArray, ...values: ReadonlyArray<string | Html>): Html {
  return { html: String.raw({ raw: parts }, ...values.map(render)) }
}

function render (value: string | Html): string {
  return typeof value === 'string' ? value.replace(/[&<>"']/g, character => escapes[character]!) : value.html
}
