/**
 * This file is what runs inside Redis: the operations that must not be interleaved with another replica's. Each touches
 * one key, so each runs on every topology.
 */
import type { Connection } from './connect.ts'

/** KEYS[1] if it begins with ARGV[1] becomes ARGV[2] for ARGV[3] ms. GETRANGE, so that the old value is not copied. */
const replaceIfPrefix = `
if redis.call('GETRANGE', KEYS[1], 0, #ARGV[1] - 1) ~= ARGV[1] then return 0 end
if tonumber(ARGV[3]) <= 0 then redis.call('DEL', KEYS[1]) else redis.call('SET', KEYS[1], ARGV[2], 'PX', ARGV[3]) end
return 1`

const deleteIfEqual = `
if redis.call('GET', KEYS[1]) ~= ARGV[1] then return 0 end
return redis.call('DEL', KEYS[1])`

/** PEXPIRE's own GT takes a new set for one that lives for ever, and is not in Redis 6. */
const addAndProlong = `
redis.call('SADD', KEYS[1], ARGV[1])
if redis.call('PTTL', KEYS[1]) < tonumber(ARGV[2]) then redis.call('PEXPIRE', KEYS[1], ARGV[2]) end
return 1`

const removeAndCount = `
redis.call('SREM', KEYS[1], ARGV[1])
return redis.call('SCARD', KEYS[1])`

type Commands = Connection['commands']

/** @returns whether it was written. With no lifetime left, a record that fits is deleted. */
export async function writeIfPrefix (
  commands: Commands, key: string, prefix: string, value: string, px: number
): Promise<boolean> {
  return await commands.eval(replaceIfPrefix, { keys: [key], arguments: [prefix, value, `${px}`] }) === 1
}

export async function removeIfEqual (commands: Commands, key: string, value: string): Promise<boolean> {
  return await commands.eval(deleteIfEqual, { keys: [key], arguments: [value] }) === 1
}

/** The set lives at least `px` milliseconds longer; never shorter than before. */
export async function addToSet (commands: Commands, key: string, member: string, px: number): Promise<void> {
  await commands.eval(addAndProlong, { keys: [key], arguments: [member, `${px}`] })
}

/** @returns how many are left */
export async function removeFromSet (commands: Commands, key: string, member: string): Promise<number> {
  return Number(await commands.eval(removeAndCount, { keys: [key], arguments: [member] }))
}
