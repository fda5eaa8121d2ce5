/** This file says how much of a process's memory may go to copies of what can be read or obtained again. */
import { getHeapStatistics } from 'node:v8'

/**
 * Part of the most that the heap can grow to, in bytes: Node takes that from the memory of the machine or the container, and
 * `--max-old-space-size` sets it.
 */
export function heapShare (part: number): number {
  return getHeapStatistics().heap_size_limit * part
}
