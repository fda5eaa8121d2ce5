/**
 * This file has the header fields of every answer that the gateway makes itself.
 */
import { styleSource } from '../auth/pages/template.ts'

/**
 * Fields that keep an answer out of caches, frames and scripts (security.md, 4.2).
 *
 * @param formTarget - an origin to which a form on the page may be redirected
 */
export function ownFields (formTarget = ''): Readonly<Record<string, string>> {
  return {
    'cache-control': 'no-store',
    'referrer-policy': 'no-referrer',
    'x-content-type-options': 'nosniff',
    'content-security-policy': [
      'default-src \'none\'', `style-src ${styleSource}`, 'frame-ancestors \'none\'', 'base-uri \'none\'', `form-action 'self' ${formTarget}`.trim()
    ].join('; '),
    vary: 'Cookie, Sec-Fetch-Site, Origin'
  }
}
