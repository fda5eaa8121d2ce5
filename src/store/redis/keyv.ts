/** This file is keyv over a connection, with the options under which a failure is an error. */
import KeyvRedis from '@keyv/redis'
import { Keyv } from 'keyv'
import type { Connection } from './connect.ts'

type Adaptable = ConstructorParameters<typeof KeyvRedis>[0]

/**
 * By keyv's defaults a failed `get` is "none" and a failed `set` is true (security.md, X21).
 *
 * Values are written as they are. keyv's own envelope has an end by the writer's clock, and a reader whose clock is ahead
 * would delete live records by it; Redis alone counts the time. The adapter is told the namespace by keyv, and keyv not to
 * prefix: otherwise keys have it twice.
 */
export function keyvOver ({ client }: Connection, namespace: string): Keyv<string> {
  const adapter = new KeyvRedis<string>(client as Adaptable, {
    throwOnErrors: true,
    throwOnConnectError: true,
    keyPrefixSeparator: ':'
  })
  return new Keyv<string>({
    store: adapter,
    namespace,
    useKeyPrefix: false,
    throwOnErrors: true,
    serialize: ({ value }) => value as string,
    deserialize: text => ({ value: text as never })
  })
}
