// npm oidc-provider with JWT access tokens.

import { startOidcProvider } from './oidc-provider.js';
import { runTable } from './table.js';

runTable({
  name: 'oidc-provider, JWT',
  settings: 'oidc-provider-jwt',
  // Its userinfo refuses tokens that are for a resource, and it has no record of a JWT that introspection could read.
  layers: ['local_jwt'],
  lacks: {
    accessRevocation: 'it keeps no record of a JWT access token, so it cannot revoke one',
    anotherClient: 'every client gets tokens for the same audience here',
  },
  start: () => startOidcProvider({ accessTokens: 'jwt' }),
});
