// Envoy with deploy/envoy/envoy-grpc.yaml: the same table, asked over gRPC.

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

runTable({
  name: 'Envoy',
  needs: ['envoy'],
  grpc: true,
  prepare: (folder, ports) => [program('envoy'), '--disable-hot-restart', '--concurrency', '1', '--log-level', 'warn', '-c', filledIn('envoy/envoy-grpc.yaml', folder, ports)],
});
