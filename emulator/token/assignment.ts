/** This file refuses users and apps that are not assigned to an app which demands it. */
import type { App, User } from '../directory/directory.ts'
import { EntraError } from '../errors/entra-error.ts'
import type { TokenContext } from './context.ts'

export function requireAssignment ({ client, part, subject, granted }: TokenContext): void {
  if (subject !== null) requireAssignedUser(subject.user, [client, part.resource])
  else if (part.resource.assignmentRequired && granted.length === 0) throw new EntraError(501051, { detail: `'${part.resource.name}'.` })
}

/** A user is assigned by any entry in `roles`, also an empty one (default access). */
export function requireAssignedUser (user: User, apps: readonly App[]): void {
  const refused = apps.find((app) => app.assignmentRequired && user.roles[app.clientId] === undefined)
  if (refused !== undefined) throw new EntraError(50105, { onPage: true, detail: `The signed in user '${user.upn}' is blocked because they are not a direct member of a group with access to '${refused.name}'.` })
}
