/**
 * This file knows the machine: its processors, who gets which, and which programs it has.
 *
 * Whoever is measured has a processor to itself, and what makes its work has another. Without that, figures say how the
 * scheduler felt.
 */
import { accessSync, constants } from 'node:fs'
import { availableParallelism, cpus } from 'node:os'
import { delimiter, join } from 'node:path'

/** Whose processor: of what is measured (two of them for two workers), of what stands behind it, or of what makes requests. */
export type Role = 'measured' | 'two-workers' | 'upstream' | 'load'

export interface Machine {
  readonly cores: number
  readonly model: string
  readonly system: string
  readonly node: string
  readonly isPinned: boolean
  /** A command that runs another one on its role's processor, when processors can be told apart. */
  pin (role: Role, command: readonly string[]): string[]
  /** The path of a program, if it is installed. */
  find (program: string): string | undefined
}

export function lookAtMachine (): Machine {
  const cores = availableParallelism()
  const taskset = find('taskset')
  const isPinned = taskset !== undefined && cores >= 2
  return {
    cores,
    model: cpus()[0]?.model.trim() ?? 'unknown',
    system: process.platform,
    node: process.version,
    isPinned,
    pin: (role, command) => isPinned ? [taskset, '-c', processorOf(role, cores), ...command] : [...command],
    find
  }
}

function processorOf (role: Role, cores: number): string {
  if (role === 'measured') return '0'
  if (role === 'two-workers') return cores > 3 ? '0,3' : '0'
  return role === 'upstream' && cores > 2 ? '2' : '1'
}

/** System programs are often left out of a user's PATH. */
const systemFolders = ['/usr/sbin', '/usr/local/sbin']

function find (program: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...systemFolders]
  return folders.map(folder => join(folder, program)).find(isExecutable)
}

function isExecutable (path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
