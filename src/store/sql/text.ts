/**
 * This file writes texts as every database keeps them: in ASCII, without NUL, `<` and `>`. PostgreSQL takes no NUL in a
 * text, MySQL compares without regard to case and keeps what the table's character set has. What is sealed is ASCII
 * already and stays as it is.
 */
import { createHash } from 'node:crypto'

/** Keys become names of one length and one case. */
export function nameOf (key: string): string {
  return createHash('sha256').update(key).digest('hex')
}

export function encode (text: string): string {
  return JSON.stringify(text).slice(1, -1)
    .replace(/[<>\u007f-\uffff]/g, unit => `\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`)
}

export function decode (text: string): string {
  return JSON.parse(`"${text}"`) as string
}

/** A set is the text of its members, one behind the other: adding and removing one is a text operation in the database. */
export function encodeMember (member: string): string {
  return `<${encode(member)}>`
}

export function decodeMembers (text: string): readonly string[] {
  return [...text.matchAll(/<([^>]*)>/g)].map(([, member]) => decode(member!))
}
