// Ory Hydra with deploy/hydra: opaque access tokens, as it issues of itself.

import { startHydra } from './hydra.js';
import { runTable } from './table.js';

runTable({
  name: 'Ory Hydra, opaque',
  needs: 'Ory Hydra',
  settings: 'hydra-opaque',
  layers: ['oauth_userinfo', 'introspection'],
  lacks: { removal: 'an opaque token is signed by no key' },
  start: (folder) => startHydra(folder, 'opaque'),
});
