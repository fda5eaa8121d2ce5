/** This file reads the error replies of Redis. */

/**
 * The code that an error reply of Redis begins with (`OOM`, `WRONGPASS`, `ERR`), or undefined if this is no reply. It is
 * the protocol's; what follows it is prose and may quote the command.
 */
export function replyCodeOf (error: unknown): string | undefined {
  return error instanceof Error ? /^[A-Z]{3,}(?= )/.exec(error.message)?.[0] : undefined
}

/** Replies by which a server says that it is not the one to ask, now or any more. */
const wrongServer = new Set(['READONLY', 'MASTERDOWN', 'NOAUTH', 'WRONGPASS', 'CLUSTERDOWN'])

/** Whether an error is the answer of a server that is still the one to ask. */
export function isAnswer (error: unknown): boolean {
  const code = replyCodeOf(error)
  return code !== undefined && !wrongServer.has(code)
}
