/** This file draws who does how many requests a second, as an SVG of horizontal bars, a group for each scenario. */
import type { Figure } from './result.ts'

const width = 720
const left = 250
const right = 90
const barHeight = 18
const gap = 6
const titleHeight = 34

/** What stands for this gateway: among its references, and among its peers. */
const ours: ReadonlySet<string> = new Set(['signed in', 'scopegate'])

export function chart (figures: readonly Figure[]): string {
  const drawn = figures.filter(({ perSecond }) => perSecond !== undefined)
  const scenarios = [...new Set(drawn.map(({ scenario }) => scenario))]
  let y = 0
  const groups = scenarios.map(name => {
    const group = drawn.filter(({ scenario }) => scenario === name)
    const text = groupOf(name, group, y)
    y += titleHeight + group.length * (barHeight + gap)
    return text
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y + gap}" font-family="system-ui, sans-serif" font-size="12">
<rect width="100%" height="100%" fill="#fff"/>
${groups.join('\n')}
</svg>
`
}

function groupOf (name: string, group: readonly Figure[], top: number): string {
  const most = Math.max(...group.map(({ perSecond }) => perSecond!))
  const bars = group.map(({ who, perSecond }, i) => {
    const y = top + titleHeight + i * (barHeight + gap)
    const length = Math.round((width - left - right) * perSecond! / most)
    const color = ours.has(who) ? '#2563eb' : '#94a3b8'
    return `<text x="${left - 8}" y="${y + 13}" text-anchor="end" fill="#334155">${escaped(who)}</text>` +
      `<rect x="${left}" y="${y}" width="${length}" height="${barHeight}" rx="3" fill="${color}"/>` +
      `<text x="${left + length + 6}" y="${y + 13}" fill="#0f172a">${Math.round(perSecond!).toLocaleString('en')}/s</text>`
  })
  return [`<text x="12" y="${top + 22}" font-weight="600" fill="#0f172a">${escaped(name)}</text>`, ...bars].join('\n')
}

function escaped (text: string): string {
  return text.replaceAll('&', '&amp;').replaceAll('<', '&lt;')
}
