// HAProxy with deploy/haproxy/.

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

runTable({
  name: 'HAProxy',
  needs: ['haproxy'],
  prepare(folder, ports) {
    const lua = filledIn('haproxy/maxlab-auth.lua', folder, {});
    return [program('haproxy'), '-f', filledIn('haproxy/haproxy.cfg', folder, { ...ports, '/etc/haproxy/maxlab-auth.lua': lua }), '-db'];
  },
});
