/** This file joins the metrics of several processes, which are told apart by a label. */

interface Family {
  /** Its HELP and TYPE. */
  readonly head: string
  readonly samples: string[]
}

const familyName = /^# HELP (\S+)/

/**
 * @param texts - as a registry of prom-client writes them: families with an empty line between them
 * @returns each family once, as its first text has it, with the samples of all texts
 */
export function mergeTexts (texts: readonly string[]): string {
  const families = new Map<string, Family>()
  for (const block of texts.flatMap(text => text.trimEnd().split('\n\n'))) {
    const name = familyName.exec(block)?.[1]
    if (name === undefined) continue
    const [help, type, ...samples] = block.split('\n')
    const known = families.get(name)
    if (known === undefined) families.set(name, { head: `${help}\n${type}`, samples })
    else known.samples.push(...samples)
  }
  return [...families.values()].map(({ head, samples }) => `${[head, ...samples].join('\n')}\n`).join('\n')
}
