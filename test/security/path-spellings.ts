/**
 * This file spells paths in every way that some server or other is known to read differently: a grammar of a few rules, not
 * a list. `HOST` stands for the gateway's host; a text is Latin-1, one character a byte.
 */

/** Ways to write a slash, or what somebody takes for one. */
const slashes = [
  '/', '//', '/./', '%2f', '%2F', '%252f', '%25252F', '%5c', '%5C', '%255c', '\\', ';/', '/;/', '%3b/', '%c0%af', '%e0%80%af', '%f0%80%80%af', '%ef%bc%8f', '%ef%bc%bc', '%e2%88%95',
  '%e2%81%84', '%u002f', '%u2215', '%%32%66', '%25%32%66', '%2%66', '%252%66', '%25%2532%2566', '/%00/', '/%20/', '%00/', '\xc0\xaf'
]

/** Ways to write two dots. */
const parents = [
  '..', '%2e%2e', '.%2e', '%2E.', '%252e%252e', '.%252E', '%25252e%25252e', '%25%32%65%25%32%65', '%c0%ae%c0%ae', '%e0%80%ae%e0%80%ae', '%ef%bc%8e%ef%bc%8e', '%e2%80%a4%e2%80%a4',
  '%e2%80%a5', '%u002e%u002e', '%uff0e%uff0e', '..;', '..;x=1', '..%3b', '..%00', '%00..', '..%20', '..%09', '...', '....', '..%ff', '..%c2%ad', '%c2%ad..', '..%e2%80%8b', '..:', '..%23', '..%3f',
  '\xc0\xae\xc0\xae'
]

/** Ways to write `admin` that some fold, strip or decode. */
const names = [
  'admin', '%61dmin', 'a%64min', 'adm%69n', '%61%64%6d%69%6e', '%61%64%6D%69%6E', '%2561dmin', '%252561dmin', '%u0061dmin', 'ADMIN', 'Admin', 'aDmin', '%41dmin', '%41DMIN',
  '%ef%bd%81dmin', 'adm%c4%b1n', 'adm%c4%b0n', 'ad%c2%admin', 'admi%cc%81n', 'admi%e2%80%8bn', '%e2%80%8eadmin', '%ef%bb%bfadmin', '%00admin', '%09admin', '%20admin', '%0aadmin', '%7fadmin',
  ';admin', '.;/admin', '%3badmin', '@admin', '%40admin', ':admin', '*admin', '~admin', '_admin', '$admin', '%2eadmin', '%c0%a1dmin', '%e1dmin', 'adm\xefn', '%25admin', '"admin', '{admin}', '%admin'
]

/** What is put behind a path that should still be the same path, or another one. */
const endings = [
  '', '/', '//', '/.', '/..', '/./x', '/x', '/x/', '//x', '.', '..', '%20', '%09', '%00', '%00.css', '%0a', '%0d%0aX-Evil:%201', '%7f', '%ff', '%c0%80', ';', ';x=1', ';/x', '%3b', '%3Bx=1', ';.css', '/;.css',
  '?', '?x', '?/public', '?/../public', '?a=b#c', '#', '#x', '#/../public', '%23', '%23/../public', '%3f', '%3F/public', '%3fx.css', '%2f', '%2Fx', '%252fx', '%5c', '%5Cx', '\\x', '~', '~1', '.json', '.css',
  '.php', '/x.css', ':', '::$DATA', '::$INDEX_ALLOCATION', '%3a%3a$DATA', '*', '%', '%2', '%zz', '%u0020', '%25', '%2500', '%c2%a0', '%e3%80%80', '"', '|', '^', '%7c', '{x}', '[x]', '&x', '=x', ',x', '!x', '+', '%2b'
]

const levels = ['..', '%2e%2e', '.%2e']

/** From below the open path to the protected one, with the same slash before and after, and with plain ones around. */
const climbs = [
  ...slashes.flatMap(slash => levels.map(level => `/public${slash}${level}${slash}admin/x`)),
  ...parents.flatMap(parent => [`/public/${parent}/admin/x`, `/public/a/${parent}/${parent}/admin/x`, `/${parent}/admin`]),
  ...slashes.flatMap(slash => [`/public${slash}x`, `/public/${slash}admin`, `/public/x${slash}y`, `/admin/x${slash}y`, `/x${slash}admin`]),
  ...['%2f', '%5c', '%252f', '\\'].flatMap(slash => parents.slice(0, 8).map(parent => `/public/${parent}${slash}admin/x`))
]

const plain = [
  ...slashes.flatMap(slash => [`/${slash}admin/x`, `${slash}admin`, `/admin${slash}x`]),
  ...names.map(name => `/${name}`),
  ...names.map(name => `/${name}/x`),
  ...names.slice(1).map(name => `/public/../${name}`),
  ...endings.map(ending => `/admin${ending}`),
  ...endings.map(ending => `/public${ending}`)
]

const queries = [
  '/public?/../admin', '/public?x=/admin', '/public?path=..%2fadmin', '/public/x?..%2f..%2fadmin', '/public?;/../admin', '/public?%0d%0a', '/public?\\..\\admin', '/admin?x=/public', '/admin?/public/a.css',
  '/admin/x?..%2fpublic', '/?/admin', '/??/public', '?/public', '/public?x?y=/admin'
]

const authorities = [
  'http://HOST/admin', 'http://HOST/admin/x', 'http://HOST/public/x', 'http://HOST/public/../admin/x', 'http://HOST/public/%2e%2e/admin/x', 'http://HOST/public/..%2fadmin', 'http://HOST/%61dmin',
  'HTTP://HOST/admin/x', 'https://HOST/admin/x', 'http://HOST//admin', 'http://HOST', 'http://HOST?/public', 'http://HOST?/../admin', 'http://HOST#/admin', 'http://HOST;/admin', 'http://HOST\\admin',
  'http://HOST%2fadmin', 'http://HOST@evil.example/admin', 'http://evil.example@HOST/admin', 'http://evil.example/admin', 'http://evil.example/public/x', 'http:///admin', 'http:/admin', 'http:admin',
  'http://HOST:80/admin', 'http://HOST./admin', 'ftp://HOST/admin', 'file:///admin', 'javascript:/admin', '//HOST/admin', '///HOST/admin', '/http://HOST/admin', '/http:/HOST/../../admin', 'HOST/admin',
  'HOST:80', '*', 'admin', '../admin', './admin', '@HOST/admin', '#/admin'
]

/** Bytes that no target may have. A line feed would end the request line. */
const bytes = ['\0', '\t', '\x0b', '\x0c', '\x1b', '\x7f', '\x80', '\xa0', '\xad', '\xff', ' '].flatMap(one => [`/admin${one}x`, `/${one}admin`, `/public/${one}../admin`])

export const spellings: readonly string[] = [...new Set([...climbs, ...plain, ...queries, ...authorities, ...bytes])]
