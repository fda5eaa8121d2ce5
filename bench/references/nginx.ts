/** This file is nginx as a bare proxy: one worker, keep-alive to the application, no log. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Cleanup } from '../cleanup.ts'

/** Writes its config. @returns the command that runs it */
export function nginxCommand (program: string, cleanup: Cleanup, port: number, upstream: number): string[] {
  const folder = mkdtempSync(join(tmpdir(), 'bench-nginx-'))
  cleanup.add(() => { rmSync(folder, { recursive: true, force: true }) })
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, `
daemon off; master_process off; worker_processes 1; pid ${folder}/pid; error_log /dev/null;
events { worker_connections 4096; }
http {
  access_log off; client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/f;
  uwsgi_temp_path ${folder}/u; scgi_temp_path ${folder}/s; keepalive_requests 1000000; client_body_buffer_size 64k; proxy_buffers 32 8k;
  upstream app { server 127.0.0.1:${upstream}; keepalive 128; keepalive_requests 1000000; }
  server {
    listen 127.0.0.1:${port};
    location / { proxy_pass http://app; proxy_http_version 1.1; proxy_set_header Connection ""; }
  }
}
`)
  return [program, '-p', folder, '-c', file]
}
