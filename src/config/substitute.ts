/** This file replaces `${NAME}`, `${NAME:-default}` and `${file:path}` in a text of the config. */

/** Where the values come from. Both answer undefined for what is not there. */
export interface Sources {
  variable (name: string): string | undefined
  file (path: string): string | undefined
}

export type Substitution =
  | { readonly kind: 'text', readonly text: string, /** what was put in: never to be shown */ readonly inserted: readonly string[] }
  | { readonly kind: 'refused', readonly message: string }

const PLACEHOLDER = /\$\{([^}]*)(\}?)/g
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s

/**
 * Replaces every placeholder of a text once; what was put in is not looked at again, so that a secret may contain anything.
 * As in a shell, the default also stands in for an empty variable. One final newline of a file is dropped.
 */
export function substitute (text: string, sources: Sources): Substitution {
  const inserted: string[] = []
  let refusal: string | undefined

  const replaced = text.replace(PLACEHOLDER, (_, inner: string, end: string) => {
    const value = end === '' ? WRONG_FORM : lookUp(inner, sources)
    if (typeof value === 'string') {
      inserted.push(value)
      return value
    }
    refusal ??= value.message
    return ''
  })
  return refusal === undefined ? { kind: 'text', text: replaced, inserted } : { kind: 'refused', message: refusal }
}

interface Refusal { readonly message: string }

const WRONG_FORM: Refusal = { message: 'has a placeholder in the wrong form: write ${NAME}, ${NAME:-default} or ${file:/path}' } // eslint-disable-line no-template-curly-in-string

function lookUp (inner: string, sources: Sources): string | Refusal {
  if (inner.startsWith('file:')) {
    const path = inner.slice('file:'.length)
    const content = path === '' ? undefined : sources.file(path)
    return content?.replace(/\r?\n$/, '') ?? { message: `refers to the file ${JSON.stringify(path)}, which cannot be read` }
  }
  const [, name, preset] = VARIABLE.exec(inner) ?? []
  if (name === undefined) return WRONG_FORM
  const value = sources.variable(name)
  if (preset !== undefined) return value === undefined || value === '' ? preset : value
  return value ?? { message: `refers to the variable ${name}, which is not set` }
}
