/** This file writes what is derived from the schema: the JSON Schema for editors and the reference for people. */
import { ConfigSchema } from './schema.ts'

interface Node {
  readonly type?: string | readonly string[]
  readonly description?: string
  readonly default?: unknown
  readonly const?: unknown
  readonly enum?: readonly string[]
  readonly required?: readonly string[]
  readonly properties?: Readonly<Record<string, Node>>
  readonly additionalProperties?: Node | false
  readonly items?: Node
  readonly oneOf?: readonly Node[]
  readonly then?: Node
  readonly else?: Node
}

/** The generated files: path from the project root -> content. */
export function generateFiles (): Map<string, string> {
  return new Map([
    ['config/gateway.schema.json', `${JSON.stringify(publishedSchema(), null, 2)}\n`],
    ['config/README.md', reference()]
  ])
}

/** The JSON Schema of a config as people write it: what has a default may be left out. */
export function publishedSchema (): object {
  const plain = JSON.parse(JSON.stringify(ConfigSchema), (_, value) => isObjectSchema(value) ? withoutDefaulted(value) : value)
  return { $schema: 'http://json-schema.org/draft-07/schema#', ...plain }
}

function isObjectSchema (value: unknown): value is Node {
  return typeof value === 'object' && value !== null && 'required' in value && Array.isArray(value.required)
}

function withoutDefaulted (schema: Node): Node {
  const required = schema.required!.filter(key => schema.properties?.[key]?.default === undefined)
  const { required: _, discriminator: __, ...rest } = schema as Node & { discriminator?: unknown }
  return required.length === 0 ? rest : { ...rest, required }
}

interface Row { readonly key: string, readonly type: string, readonly preset: string, readonly description: string }

const INTRODUCTION = `# Configuration reference

Generated from \`src/config/schema.ts\` by \`npm run generate\`; a commented example is [gateway.yaml](gateway.yaml).

- Times are seconds, sizes are bytes. Nothing is coerced: \`"8080"\` is not a number and \`yes\` is not \`true\`.
- Texts may contain \`\${NAME}\` and \`\${NAME:-default}\` (environment) and \`\${file:/run/secrets/x}\` (a file, without its final
  newline). They are replaced in values after the YAML is read. A variable that is not set is a problem.
- Relative paths start at the folder of the config.
- \`scopegate check\` tells every problem with file, line and column.

In the tables, \`[]\` is an entry of a list and \`<name>\` a name you choose.
`

function reference (): string {
  const sections = Object.entries((ConfigSchema as Node).properties!).map(([key, node]) => {
    const rows = rowsOf(key, node, isRequired(ConfigSchema as Node, key))
    return `\n## ${key}\n\n| key | type | default | meaning |\n|---|---|---|---|\n${rows.map(lineOf).join('\n')}\n`
  })
  return INTRODUCTION + sections.join('')
}

function rowsOf (key: string, node: Node, required: boolean): Row[] {
  const { description } = node
  const own = description === undefined ? [] : [{ key, type: typeOf(node), preset: presetOf(node, required), description }]
  const fields = Object.entries(node.properties ?? {}).flatMap(([name, child]) => rowsOf(`${key}.${name}`, child, isRequired(node, name)))
  const entries = node.items === undefined ? [] : rowsOf(`${key}[]`, node.items, false)
  const values = node.additionalProperties ? rowsOf(`${key}.<name>`, node.additionalProperties, false) : []
  const branches = (node.oneOf ?? []).flatMap(branch => rowsOf(`${key}(${branch.properties!.sourceType!.const})`, branch, false))
  const forms = [node.then, node.else].flatMap(form => form === undefined ? [] : rowsOf(key, withoutDescription(form), false))
  return [...own, ...fields, ...entries, ...values, ...branches, ...forms]
}

/** A form of a value is told by the value; only its parts have rows. */
function withoutDescription ({ description: _, ...form }: Node): Node {
  return form
}

function presetOf (node: Node, required: boolean): string {
  const text = JSON.stringify(node.default)
  if (text === undefined) return required ? '**required**' : ''
  return text === '{}' ? '' : code(text)
}

function isRequired (parent: Node, key: string): boolean {
  return parent.required?.includes(key) === true && parent.properties?.[key]?.default === undefined
}

function typeOf (node: Node): string {
  if (node.const !== undefined) return code(JSON.stringify(node.const))
  if (node.enum !== undefined) return node.enum.map(code).join(', ')
  if (node.then !== undefined && node.else !== undefined) return `${typeOf(node.then)} or ${typeOf(node.else)}`
  switch (node.type) {
    case 'array': return `list of ${typeOf(node.items!)}`
    case 'object': return 'map'
    case 'string': return 'text'
    case 'integer': return 'whole number'
    default: return 'true, false'
  }
}

function lineOf ({ key, type, preset, description }: Row): string {
  return `| ${code(key)} | ${type} | ${preset} | ${description.replaceAll('|', '\\|')} |`
}

function code (text: string): string {
  return `\`${text}\``
}
