// Apache httpd with deploy/apache/.

import { writeFileSync } from 'node:fs';
import { join } from 'node:path';

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

const MODULES = ['mpm_event', 'authz_core', 'lua', 'proxy', 'proxy_http', 'rewrite', 'setenvif'];

/** What Debian's own apache2.conf is to a file in sites-enabled. */
const around = (site, folder) => `
ServerRoot ${folder}
ServerName 127.0.0.1
PidFile ${folder}/apache.pid
DefaultRuntimeDir ${folder}
Mutex file:${folder} default
ErrorLog ${folder}/Apache.log
${process.getuid() === 0 ? 'User www-data\nGroup www-data' : ''}
${MODULES.map((name) => `LoadModule ${name}_module /usr/lib/apache2/modules/mod_${name}.so`).join('\n')}
StartServers 1
Include ${site}
`;

runTable({
  name: 'Apache',
  needs: ['apache2', '/usr/share/lua/5.3/socket/http.lua'],
  // It asks on a connection of its own each time, and hears that a client left only when it writes.
  asksOnNewConnections: true,
  noticesLate: true,
  prepare(folder, ports) {
    const lua = filledIn('apache/maxlab-auth.lua', folder, ports);
    const site = filledIn('apache/forward-auth.conf', folder, { ...ports, '/etc/apache2/maxlab-auth.lua': lua });
    const main = join(folder, 'apache2.conf');
    writeFileSync(main, around(site, folder));
    return [program('apache2'), '-f', main, '-DFOREGROUND'];
  },
});
