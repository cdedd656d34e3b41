// Traefik with deploy/traefik/.

import { filledIn, program } from './site.js';
import { runTable } from './table.js';

runTable({
  name: 'Traefik',
  needs: ['traefik'],
  answers: { gone: 500, hanging: 500 },
  prepare(folder, ports) {
    const dynamic = filledIn('traefik/forward-auth.yaml', folder, ports);
    return [program('traefik'), `--configFile=${filledIn('traefik/traefik.yaml', folder, { ...ports, '/etc/traefik/forward-auth.yaml': dynamic })}`];
  },
});
