// Ory Hydra with deploy/hydra: access tokens that are JWTs.

import { startHydra } from './hydra.js';
import { runTable } from './table.js';

runTable({
  name: 'Ory Hydra, JWT',
  needs: 'Ory Hydra',
  settings: 'hydra-jwt',
  layers: ['local_jwt'],
  start: (folder) => startHydra(folder, 'jwt'),
});
