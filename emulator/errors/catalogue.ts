/** This file is the list of AADSTS errors the emulator can answer with, and how each looks on the wire. */

export interface CatalogueEntry {
  /** OAuth `error` at the token endpoint and in redirects. */
  readonly error: string
  readonly message: string
  readonly suberror?: string
  /** Default 400. */
  readonly status?: number
  /** `error` when `prompt=none` makes authorize redirect instead of showing a page. */
  readonly silentError?: string
  /** Codes without a public page have no `error_uri`. */
  readonly hasNoPage?: true
}

const invalidGrant = (message: string, suberror?: string): CatalogueEntry => ({ error: 'invalid_grant', message, ...(suberror === undefined ? {} : { suberror }) })
const needsMfa = (message: string): CatalogueEntry => ({ ...invalidGrant(message, 'basic_action'), silentError: 'interaction_required' })
const badClient = (message: string): CatalogueEntry => ({ error: 'invalid_client', message, status: 401 })
const badRequest = (message: string): CatalogueEntry => ({ error: 'invalid_request', message })
const transient = (error: string, status: number): CatalogueEntry => ({ error, status, message: 'A transient error has occurred. Please try again.' })

export const CATALOGUE = {
  16000: { error: 'interaction_required', message: 'Select a user account.' },
  160021: { error: 'interaction_required', message: 'Application requested a user session which does not exist.' },
  28000: badRequest('Provided value for the input parameter scope is not valid because it contains more than one resource.'),
  28003: badRequest('Provided value for the input parameter scope cannot be empty when requesting an access token using the provided authorization code.'),
  50011: badRequest('The redirect URI specified in the request does not match the redirect URIs configured for the application.'),
  50049: { error: 'invalid_instance', message: 'Unknown or invalid instance.' },
  500112: { error: 'invalid_client', message: 'The reply address does not match the reply address provided when requesting the authorization code.' },
  50013: invalidGrant('Assertion failed signature validation.'),
  500131: invalidGrant('Assertion audience does not match the client app presenting the assertion.'),
  500133: invalidGrant('Assertion is not within its valid time range.'),
  500011: { error: 'invalid_resource', message: 'The resource principal was not found in the tenant.' },
  50020: invalidGrant('User account from another identity provider does not exist in the tenant and cannot access the application.'),
  90072: invalidGrant('User account from an external identity provider does not exist in the tenant.'),
  50033: transient('temporarily_unavailable', 503),
  90006: transient('temporarily_unavailable', 503),
  90007: transient('temporarily_unavailable', 503),
  90019: badRequest('No tenant-identifying information found in either the request or implied by any provided credentials.'),
  90033: transient('temporarily_unavailable', 503),
  50034: invalidGrant('The user account does not exist in the directory.'),
  50053: invalidGrant('The account is locked.'),
  50055: invalidGrant('The password is expired.', 'user_password_expired'),
  50126: invalidGrant('Error validating credentials due to invalid username or password.'),
  500121: invalidGrant('Authentication failed during strong authentication request.'),
  50057: invalidGrant('The user account is disabled.'),
  50058: { error: 'login_required', message: 'Session information is not sufficient for single-sign-on.' },
  50059: badRequest('No tenant-identifying information found in either the request or implied by any provided credentials.'),
  50072: needsMfa('User needs to enroll for second factor authentication.'),
  50074: needsMfa('Strong Authentication is required.'),
  50076: needsMfa('Due to a configuration change made by your administrator, or because you moved to a new location, you must use multi-factor authentication to access the resource.'),
  50078: needsMfa('Presented multi-factor authentication has expired due to policies configured by your administrator.'),
  50079: needsMfa('Due to a configuration change made by your administrator, you must enroll in multi-factor authentication to access the resource.'),
  50105: invalidGrant('Your administrator has configured the application to block users unless they are specifically granted access to it.'),
  501051: invalidGrant('Application is not assigned to a role for the application.'),
  50158: invalidGrant('External security challenge not satisfied.', 'basic_action'),
  50173: invalidGrant('The provided grant has expired due to it being revoked, a fresh auth token is needed.', 'bad_token'),
  50194: badRequest('The application is not configured as a multi-tenant application. Usage of the /common endpoint is not supported for such applications.'),
  50196: invalidGrant('The server terminated an operation because it encountered a client request loop.'),
  53000: { ...invalidGrant('Device is not in required device state: compliant.', 'additional_action'), silentError: 'interaction_required' },
  53001: invalidGrant('Device is not in required device state: domain_joined.', 'message_only'),
  53002: invalidGrant('The application used is not an approved application for conditional access.', 'message_only'),
  53003: { ...invalidGrant('Access has been blocked by Conditional Access policies. The access policy does not allow token issuance.', 'message_only'), silentError: 'interaction_required' },
  54005: invalidGrant('OAuth2 Authorization code was already redeemed, please retry with a new valid code or use an existing refresh token.'),
  65001: { ...invalidGrant('The user or administrator has not consented to use the application.', 'consent_required'), silentError: 'consent_required' },
  65004: { error: 'access_denied', message: 'User declined to consent to access the app.' },
  65005: { error: 'invalid_resource', message: 'The app is misconfigured: it requires access to a resource that does not exist.' },
  650053: { error: 'invalid_client', message: "The application asked for a scope that doesn't exist on the resource." },
  650056: { error: 'invalid_client', message: 'Misconfigured application: no permissions are listed for it.' },
  650057: { error: 'invalid_resource', message: 'Invalid resource. The client has requested access to a resource which is not listed in the requested permissions in the client\'s application registration.' },
  70000: invalidGrant('Provided grant is invalid or malformed.'),
  70001: { error: 'unauthorized_client', message: 'The application was not found.' },
  70003: { error: 'unsupported_grant_type', message: 'The app requested an unsupported grant type.', hasNoPage: true },
  70008: invalidGrant('The provided authorization code or refresh token has expired.'),
  700005: invalidGrant('Provided authorization code is intended to use against other tenant.'),
  700016: { error: 'unauthorized_client', message: 'The application was not found in the directory.' },
  70002: badClient('Error validating credentials.'),
  700023: badClient('Client assertion audience claim does not match Realm issuer.'),
  700024: badClient('Client assertion is not within its valid time range.'),
  700025: badClient('Client is public so neither client_assertion nor client_secret should be presented.'),
  700027: badClient('The certificate with identifier used to sign the client assertion is not registered on application.'),
  700038: { error: 'unauthorized_client', message: 'The client id is not a valid application identifier.', hasNoPage: true },
  70011: { error: 'invalid_scope', message: 'The provided value for the input parameter scope is not valid.' },
  700054: { error: 'unsupported_response_type', message: 'response_type is not enabled for the application.' },
  700082: invalidGrant('The refresh token has expired due to inactivity.'),
  700084: invalidGrant('The refresh token was issued to a single page app (SPA), and therefore has a fixed, limited lifetime, which cannot be extended.'),
  700211: badClient('No matching federated identity record found for presented assertion issuer.'),
  700212: badClient('No matching federated identity record found for presented assertion audience.'),
  700213: badClient('No matching federated identity record found for presented assertion subject.'),
  70043: { ...invalidGrant('The refresh token has expired or is invalid due to sign-in frequency checks by conditional access.', 'token_expired'), hasNoPage: true },
  7000112: { error: 'unauthorized_client', message: 'The application is disabled.' },
  7000215: badClient('Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID.'),
  7000216: badClient("'client_assertion', 'client_secret' or 'request' is required for the 'client_credentials' grant type."),
  7000218: badClient("The request body must contain the following parameter: 'client_assertion' or 'client_secret'."),
  7000222: badClient('The provided client secret keys are expired.'),
  501481: invalidGrant('The Code_Verifier does not match the code_challenge supplied in the authorization request.'),
  90002: badRequest('The tenant was not found.'),
  90009: badRequest('Application is requesting a token for itself. This scenario is supported only if resource is specified using the GUID based App Identifier.'),
  90014: badRequest('A required field is missing from the credential.'),
  900144: badRequest('The request body must contain a required parameter.'),
  900023: badRequest('The specified tenant identifier is neither a valid DNS name, nor a valid external domain.'),
  90023: badRequest('An unsupported value was provided for a parameter.'),
  90094: { error: 'access_denied', message: 'Admin consent is required for the permissions requested by this application.' },
  90095: { error: 'access_denied', message: 'Admin consent is required. An admin consent request may be sent to the admin.' },
  90100: badRequest('A parameter is empty or not valid.'),
  9002313: invalidGrant('Invalid request. Request is malformed or invalid.'),
  9010010: { error: 'invalid_target', message: 'The resource parameter provided in the request does not match with the requested scopes.' },
  1002012: { error: 'invalid_scope', message: 'The provided value for scope is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier.' }
} as const satisfies Record<number, CatalogueEntry>

export type Aadsts = keyof typeof CATALOGUE

export const entryOf = (code: Aadsts): CatalogueEntry => CATALOGUE[code]

/** Narrows a number from outside, such as the `aadsts` of a fault. */
export function isAadsts (code: number): code is Aadsts {
  return Object.hasOwn(CATALOGUE, code)
}
