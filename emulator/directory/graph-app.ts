/** This file is Microsoft Graph as an app: the resource that every tenant has. */
import type { AppConfig } from '../config/shape.ts'

export const GRAPH_ID = '00000003-0000-0000-c000-000000000000'
export const GRAPH_URI = 'https://graph.microsoft.com'

/** Scopes of OpenID Connect are delegated permissions of Graph too, which is why they take part in consent. */
export const OIDC_SCOPES: readonly string[] = ['openid', 'profile', 'email', 'offline_access']

export const GRAPH_APP: AppConfig = {
  clientId: GRAPH_ID,
  name: 'Microsoft Graph',
  publisher: 'Emulated',
  verifiedPublisher: true,
  audience: 'multi',
  identifierUris: [GRAPH_URI],
  accessTokenVersion: 1,
  scopes: [
    { value: 'openid', description: 'Sign you in' },
    { value: 'profile', description: 'Read your basic profile' },
    { value: 'email', description: 'Read your e-mail address' },
    { value: 'offline_access', description: 'Keep access to what you have given it access to' },
    { value: 'User.Read', description: 'Sign you in and read your profile' },
    { value: 'User.ReadBasic.All', description: 'Read the basic profiles of all users' },
    { value: 'Mail.Read', description: 'Read your mail' },
    { value: 'Calendars.Read', description: 'Read your calendars' },
    { value: 'Files.Read', description: 'Read your files' },
    { value: 'GroupMember.Read.All', consent: 'admin', description: 'Read group memberships' },
    { value: 'Directory.Read.All', consent: 'admin', description: 'Read the directory' }
  ],
  appRoles: [
    { value: 'User.Read.All', for: 'application' },
    { value: 'Directory.Read.All', for: 'application' }
  ]
}
