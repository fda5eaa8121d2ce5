/** This file is the only way to make HTML here: a template function that escapes whatever is put into it. */

/** HTML that is safe to send: made by `html`, or a constant of this code. */
export class SafeHtml {
  readonly text: string
  constructor (text: string) {
    this.text = text
  }
}

type HtmlValue = string | number | null | undefined | false | SafeHtml | readonly SafeHtml[]

const ENTITIES: Readonly<Record<string, string>> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' }

/** Good for text and for attribute values in quotes; nothing is ever put into a script or a style. */
export function html (strings: TemplateStringsArray, ...values: readonly HtmlValue[]): SafeHtml {
  const parts = strings.map((text, at) => text + (at < values.length ? toHtml(values[at]) : ''))
  return new SafeHtml(parts.join(''))
}

function toHtml (value: HtmlValue): string {
  if (value === null || value === undefined || value === false) return ''
  if (value instanceof SafeHtml) return value.text
  if (typeof value === 'object') return value.map(({ text }) => text).join('')
  return String(value).replace(/[&<>"']/g, (character) => ENTITIES[character]!)
}
