/** This file issues authorization codes. */
import { createHandle, type CodeRecord } from '../state.ts'
import { HANDLE_PREFIX } from '../token/fields.ts'
import type { World } from '../world.ts'

/** Long on purpose: a code of a few hundred characters shows whose URL limits are too small. */
export function createCode (record: Omit<CodeRecord, 'issuedAt' | 'redeemed' | 'revoked'>, { state, clock, quirks }: World): string {
  const code = HANDLE_PREFIX + createHandle(quirks.codeLength - HANDLE_PREFIX.length)
  state.codes.set(code, { ...record, issuedAt: clock.now(), redeemed: false, revoked: false })
  return code
}
