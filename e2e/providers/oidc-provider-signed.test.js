// npm oidc-provider with opaque access tokens, whose userinfo is a signed JWT (OpenID Connect Core §5.3.2).

import { startOidcProvider } from './oidc-provider.js';
import { runTable } from './table.js';

runTable({
  name: 'oidc-provider, signed userinfo',
  settings: 'oidc-provider-signed',
  layers: ['oauth_userinfo'],
  lacks: {
    anotherClient: 'its opaque tokens have no audience',
    removal: 'an opaque token is signed by no key',
  },
  start: () => startOidcProvider({ accessTokens: 'opaque', clientMetadata: { userinfo_signed_response_alg: 'ES256' } }),
});
