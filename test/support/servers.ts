/**
 * This file runs real web servers on loopback, each with a page for everybody and a page that is protected in front of it.
 * They read a path in their own ways, and say how they read it. They live in temporary folders and end, by their process
 * ids, with the test.
 *
 * Each is as generous as its documentation allows: encoded slashes are accepted, and `/ADMIN` is `/admin`.
 */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join, posix } from 'node:path'
import type { Test } from 'tap'
import { freePort } from './ports.ts'
import type { RawAnswer } from './raw.ts'
import { until } from './redis.ts'

export type Page = 'PUBLIC' | 'PROTECTED' | 'OTHER'

export interface WebServer {
  readonly name: string
  readonly port: number
}

/** What a server made of a request: the page it chose, and the path it chose it by, decoded. */
export interface Reading {
  readonly page: Page
  readonly path: string
}

/** @returns undefined for an answer that is none of the three pages */
export function readingOf (answer: RawAnswer): Reading | undefined {
  const [page, inBody] = answer.text().split('\n', 2)
  const inField = answer.header('x-path')
  // The brackets keep blanks at its end, which belong to no field's value.
  const path = inField === undefined ? inBody : Buffer.from(inField, 'latin1').toString().slice(1, -1)
  return page === 'PUBLIC' || page === 'PROTECTED' || page === 'OTHER' ? { page, path: path! } : undefined
}

/** A program that serves in the foreground until it is told to end. */
interface Program {
  readonly command: string
  readonly args: readonly string[]
  /** Name -> content, below the server's folder. */
  readonly files: Readonly<Record<string, string>>
}

interface Place {
  readonly folder: string
  readonly port: number
}

const isRoot = process.getuid?.() === 0

function nginx ({ folder, port }: Place): Program {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(name => `${name}_temp_path ${folder}/${name};`).join(' ')
  return {
    command: '/usr/sbin/nginx',
    args: ['-p', folder, '-c', `${folder}/nginx.conf`, '-e', `${folder}/error.log`],
    files: {
      'nginx.conf': `
daemon off;
master_process off;
pid ${folder}/nginx.pid;
events {}
http {
  access_log off;
  ${temporary}
  server {
    listen 127.0.0.1:${port};
    location ~* ^/admin(/|$) { return 200 "PROTECTED\\n$uri"; }
    location ~ ^/public(/|$) { return 200 "PUBLIC\\n$uri"; }
    location / { return 200 "OTHER\\n$uri"; }
  }
}
`
    }
  }
}

function apache ({ folder, port }: Place): Program {
  const modules = ['mpm_event', 'authz_core', 'alias', 'headers'].map(name => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`)
  return {
    command: '/usr/sbin/apache2',
    args: ['-d', folder, '-f', `${folder}/apache.conf`, '-D', 'FOREGROUND'],
    files: {
      'apache.conf': `
${modules.join('\n')}
${isRoot ? 'User www-data\nGroup www-data' : ''}
ServerName localhost
Listen 127.0.0.1:${port}
PidFile ${folder}/apache.pid
ErrorLog ${folder}/error.log
DefaultRuntimeDir ${folder}
DocumentRoot ${folder}/pages
AllowEncodedSlashes On
StartServers 1
MaxConnectionsPerChild 0
AliasMatch "(?i)^/admin(/|$)" "${folder}/pages/protected"
AliasMatch "^/public(/|$)" "${folder}/pages/public"
AliasMatch "^/" "${folder}/pages/other"
Header always set x-path "expr=<%{REQUEST_URI}>"
`,
      'pages/protected': 'PROTECTED\n',
      'pages/public': 'PUBLIC\n',
      'pages/other': 'OTHER\n'
    }
  }
}

/** Its applications are CGI programs here: what they are told is what any application behind it is told. */
function lighttpd ({ folder, port }: Place): Program {
  return {
    command: '/usr/sbin/lighttpd',
    args: ['-D', '-f', `${folder}/lighttpd.conf`],
    files: {
      'lighttpd.conf': `
server.modules = ("mod_alias", "mod_cgi")
server.document-root = "${folder}"
server.bind = "127.0.0.1"
server.port = ${port}
server.errorlog = "${folder}/error.log"
server.upload-dirs = ("${folder}")
alias.url = ("/" => "${folder}/page.sh/")
cgi.assign = (".sh" => "/bin/sh")
`,
      'page.sh': `
case "$PATH_INFO" in
  /[Aa][Dd][Mm][Ii][Nn]|/[Aa][Dd][Mm][Ii][Nn]/*) page=PROTECTED ;;
  /public|/public/*) page=PUBLIC ;;
  *) page=OTHER ;;
esac
printf 'Content-Type: text/plain\\r\\n\\r\\n%s\\n%s' "$page" "$PATH_INFO"
`
    }
  }
}

function flask ({ folder, port }: Place): Program {
  return {
    command: '/usr/bin/gunicorn',
    args: ['--chdir', folder, '--bind', `127.0.0.1:${port}`, '--workers', '1', '--worker-tmp-dir', folder, '--log-level', 'critical', 'pages:app'],
    files: {
      'pages.py': `
from flask import Flask, request

app = Flask(__name__)

def page(name):
    return name + '\\n' + request.path, 200, {'Content-Type': 'text/plain; charset=utf-8'}

@app.route('/public')
@app.route('/public/', defaults={'rest': ''})
@app.route('/public/<path:rest>')
def public(rest=None):
    return page('PUBLIC')

@app.route('/', defaults={'rest': ''})
@app.route('/<path:rest>')
def other(rest):
    first = request.path.split('/')[1].lower()
    return page('PROTECTED' if first == 'admin' else 'OTHER')
`
    }
  }
}

/** `SCRIPT_NAME` is the path as PHP decoded and shortened it. */
function php ({ folder, port }: Place): Program {
  return {
    command: '/usr/bin/php',
    args: ['-n', '-S', `127.0.0.1:${port}`, '-t', folder, `${folder}/pages.php`],
    files: {
      'pages.php': `<?php
header('Content-Type: text/plain');
$path = $_SERVER['SCRIPT_NAME'];
$first = explode('/', $path)[1] ?? '';
echo strtolower($first) === 'admin' ? 'PROTECTED' : ($first === 'public' ? 'PUBLIC' : 'OTHER'), "\\n", $path;
`
    }
  }
}

const programs = { nginx, Apache: apache, lighttpd, 'gunicorn and Flask': flask, PHP: php }

/** Starts one of each. Resolves when all answer. */
export async function startWebServers (t: Test): Promise<readonly WebServer[]> {
  const started = Object.entries(programs).map(async ([name, describe]) => await startProgram(t, name, describe))
  return await Promise.all([...started, startNode(t)])
}

async function startProgram (t: Test, name: string, describe: (place: Place) => Program): Promise<WebServer> {
  const folder = mkdtempSync(join(tmpdir(), 'scopegate-server-'))
  // Apache's processes give up what root may do.
  chmodSync(folder, 0o755)
  mkdirSync(join(folder, 'pages'))
  const port = await freePort()
  const { command, args, files } = describe({ folder, port })
  for (const [file, content] of Object.entries(files)) writeFileSync(join(folder, file), content)
  const child = spawn(command, args, { cwd: folder, stdio: 'ignore', env: { PATH: '/usr/bin:/bin' } })
  const ended = new Promise<void>(resolve => { child.once('close', () => { resolve() }).once('error', () => { resolve() }) })
  t.teardown(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  await until(`${name} that answers`, async () => await answers(port), 60_000)
  return { name, port }
}

async function answers (port: number): Promise<boolean> {
  try {
    const answer = await fetch(`http://127.0.0.1:${port}/public/x`, { headers: { connection: 'close' } })
    return (await answer.text()).startsWith('PUBLIC')
  } catch {
    return false
  }
}

/** Node has no opinion about paths: this is what static file servers for it do. */
async function startNode (t: Test): Promise<WebServer> {
  const server = createServer((request, response) => {
    const path = posix.normalize(decodeLeniently(request.url!.split('?', 1)[0]!).replaceAll('\\', '/'))
    const [, first = ''] = path.split('/')
    const page = first.toLowerCase() === 'admin' ? 'PROTECTED' : first === 'public' ? 'PUBLIC' : 'OTHER'
    response.end(`${page}\n${path}`)
  })
  await new Promise<void>(resolve => { server.listen(0, '127.0.0.1', resolve) })
  t.teardown(async () => {
    server.closeAllConnections()
    await new Promise(resolve => { server.close(resolve) })
  })
  return { name: 'Node', port: (server.address() as AddressInfo).port }
}

function decodeLeniently (text: string): string {
  try {
    return decodeURIComponent(text)
  } catch {
    return text
  }
}
