/** This file reads metrics as Prometheus does. */

export interface Series {
  readonly name: string
  readonly labels: Readonly<Record<string, string>>
  readonly value: number
}

export async function scrapeSeries (managementPort: number): Promise<readonly Series[]> {
  const answer = await fetch(`http://127.0.0.1:${managementPort}/metrics`)
  return parseSeries(await answer.text())
}

export function parseSeries (text: string): readonly Series[] {
  return text.split('\n').filter(line => /^\w/.test(line)).map(line => {
    const [, name = '', labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? []
    return { name, labels: Object.fromEntries([...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)].map(([, label, text]) => [label, text])), value: Number(value) }
  })
}
