// npm oidc-provider with opaque access tokens.

import { startOidcProvider } from './oidc-provider.js';
import { runTable } from './table.js';

runTable({
  name: 'oidc-provider, opaque',
  settings: 'oidc-provider-opaque',
  layers: ['oauth_userinfo', 'introspection'],
  lacks: {
    anotherClient: 'its opaque tokens have no audience',
    removal: 'an opaque token is signed by no key',
  },
  start: () => startOidcProvider({ accessTokens: 'opaque' }),
});
