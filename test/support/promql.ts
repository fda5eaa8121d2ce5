/** This file reads as much of a PromQL expression as tells which series and labels it is about. */

export interface Matcher {
  readonly label: string
  readonly operator: string
  readonly value: string
}

export interface Selector {
  readonly name: string
  readonly matchers: readonly Matcher[]
}

export interface Expression {
  readonly selectors: readonly Selector[]
  /** What it groups by and joins on. */
  readonly labels: readonly string[]
}

const tokens = /"(?:[^"\\]|\\.)*"|\[[^\]]*\]|[a-zA-Z_:][a-zA-Z0-9_:]*|[0-9][0-9.]*|[=!]~|!=|[<>=]=|\S/g
const isName = (token: string | undefined): token is string => token !== undefined && /^[a-zA-Z_:]/.test(token)
const groupings = new Set(['by', 'without', 'on', 'ignoring', 'group_left', 'group_right'])
const operators = new Set(['and', 'or', 'unless', 'bool', 'offset'])

export function readExpression (text: string): Expression {
  const all: readonly string[] = text.match(tokens) ?? []
  const selectors: Selector[] = []
  const labels: string[] = []
  for (let i = 0; i < all.length; i++) {
    const [token, next] = [all[i], all[i + 1]]
    if (!isName(token) || operators.has(token)) continue
    const end = next === '(' ? all.indexOf(')', i) : next === '{' ? all.indexOf('}', i) : i
    if (groupings.has(token)) {
      labels.push(...all.slice(i, end).slice(1).filter(isName))
      i = end
    } else if (next === '{') {
      selectors.push({ name: token, matchers: matchersOf(all.slice(i + 2, end)) })
      i = end
    // What is followed by its arguments, or by what it groups by, is a function.
    } else if (next !== '(' && next !== 'by' && next !== 'without') selectors.push({ name: token, matchers: [] })
  }
  return { selectors, labels }
}

function matchersOf (inside: readonly string[]): Matcher[] {
  const matchers: Matcher[] = []
  for (let i = 0; i < inside.length; i += 4) {
    matchers.push({ label: inside[i]!, operator: inside[i + 1]!, value: JSON.parse(inside[i + 2]!) })
  }
  return matchers
}

/** Whether a series with that value of the label is selected. */
export function isMatch ({ operator, value }: Matcher, actual: string): boolean {
  const isEqual = operator.endsWith('~') ? new RegExp(`^(?:${value})$`).test(actual) : value === actual
  return operator.startsWith('!') ? !isEqual : isEqual
}
