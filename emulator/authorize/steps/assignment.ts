/** This file stops users who are not assigned to the app. */
import { requireAssignedUser } from '../../token/assignment.ts'
import { appsOf, userOf, type Visit } from '../visit.ts'

export function requireAssignment (visit: Visit): undefined {
  requireAssignedUser(userOf(visit), appsOf(visit))
}
