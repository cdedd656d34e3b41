// Keycloak with deploy/keycloak/maxlab-realm.json.

import { startKeycloak } from './keycloak.js';
import { runTable } from './table.js';

runTable({
  name: 'Keycloak',
  needs: 'Keycloak',
  settings: 'keycloak',
  layers: ['oauth_userinfo', 'introspection', 'local_jwt'],
  start: startKeycloak,
});
