// Envoy with deploy/envoy/envoy.yaml.

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

runTable({
  name: 'Envoy',
  needs: ['envoy'],
  prepare: (folder, ports) => [program('envoy'), '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warn', '-c', filledIn('envoy/envoy.yaml', folder, ports)],
});
