/**
 * This file reads a small form out of a request's body. Media type, size and fields have one reading each: what could have
 * another one is refused.
 */
import type { FastifyReply, FastifyRequest } from 'fastify'

/** The fields of a form, or the status that refuses it. */
export type Form =
  | { readonly kind: 'form', readonly fields: ReadonlyMap<string, string> }
  | { readonly kind: 'refused', readonly status: 400 | 413 | 415 }

/** URL-encoded and nothing else; UTF-8, which it always is, may be said (Apache's clients do). */
const formType = /^application\/x-www-form-urlencoded(?:[ \t]*;[ \t]*charset="?utf-8"?)?$/i

/**
 * Reads at most so many bytes; of a larger body nothing more is read. A body that breaks off is refused like a bad form:
 * nobody is there to see the answer.
 */
export async function readForm ({ raw }: FastifyRequest, reply: FastifyReply, maxBytes: number): Promise<Form> {
  if (!formType.test(rawField(raw.rawHeaders, 'content-type') ?? '')) return { kind: 'refused', status: 415 }
  if (Number(raw.headers['content-length'] ?? 0) > maxBytes) return { kind: 'refused', status: 413 }
  if (raw.headers.expect !== undefined && raw.httpVersionMinor === 1) reply.raw.writeContinue()
  const chunks: Buffer[] = []
  let length = 0
  try {
    // Ending the reading must not end the connection: there is an answer to be sent.
    for await (const chunk of raw.iterator({ destroyOnReturn: false }) as AsyncIterable<Buffer>) {
      length += chunk.length
      if (length > maxBytes) return { kind: 'refused', status: 413 }
      chunks.push(chunk)
    }
  } catch {
    return { kind: 'refused', status: 400 }
  }
  const fields = parseForm(Buffer.concat(chunks).toString('latin1'))
  return fields === undefined ? { kind: 'refused', status: 400 } : { kind: 'form', fields }
}

/** @returns undefined when a field is there twice: two answers to one question */
export function parseForm (text: string): ReadonlyMap<string, string> | undefined {
  // Of a question mark in front, which only a query has, it would take off one.
  const pairs = [...new URLSearchParams(`?${text}`)]
  const fields = new Map(pairs)
  return fields.size === pairs.length ? fields : undefined
}

/** A field as it came; what Fastify sees of the media type is hidden from it. The listener lets no second one through. */
function rawField (raw: readonly string[], name: string): string | undefined {
  const at = raw.findIndex((text, i) => i % 2 === 0 && text.toLowerCase() === name)
  return at < 0 ? undefined : raw[at + 1]
}
