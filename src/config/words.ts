/** This file finds the word that was probably meant. */

/** Advice for a word that is not among the known ones. */
export function closest (word: string, known: readonly string[]): string {
  const isClose = (name: string) => distance(name.toLowerCase(), word.toLowerCase()) <= Math.max(1, name.length / 4)
  const likely = word.length > 64 ? undefined : known.find(isClose)
  return likely === undefined ? `choose one of ${known.join(', ') || '(none)'}` : `did you mean ${likely}?`
}

/** How many letters have to be added, dropped or replaced to make one word of the other (Levenshtein). */
function distance (one: string, other: string): number {
  let row = Array.from({ length: other.length + 1 }, (_, index) => index)
  for (let i = 1; i <= one.length; i++) {
    const next = [i]
    for (let j = 1; j <= other.length; j++) {
      next.push(Math.min(row[j]! + 1, next[j - 1]! + 1, row[j - 1]! + (one[i - 1] === other[j - 1] ? 0 : 1)))
    }
    row = next
  }
  return row[other.length]!
}
