// Caddy with deploy/caddy/Caddyfile.

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

runTable({
  name: 'Caddy',
  needs: ['caddy'],
  answers: { gone: 502, hanging: 504 },
  prepare: (folder, ports) => [program('caddy'), 'run', '--adapter', 'caddyfile', '--config', filledIn('caddy/Caddyfile', folder, ports)],
});
