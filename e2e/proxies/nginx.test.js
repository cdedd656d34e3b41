// nginx with deploy/nginx/forward-auth.conf.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

/** What Debian's own nginx.conf is to a file in conf.d. */
const around = (site, folder) => `
daemon off;
pid ${folder}/nginx.pid;
error_log stderr warn;
events { worker_connections 512; }
http {
    access_log off;
    ${['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((what) => `${what}_temp_path ${folder}/${what};`).join('\n    ')}
    include ${site};
}
`;

runTable({
  name: 'nginx',
  needs: ['nginx'],
  prepare(folder, ports) {
    const site = filledIn('nginx/forward-auth.conf', folder, ports);
    const main = join(folder, 'nginx.conf');
    writeFileSync(main, around(site, folder));
    return [program('nginx'), '-e', 'stderr', '-p', folder, '-c', main];
  },
});
