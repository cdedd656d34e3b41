// npm oidc-provider, as the other end-to-end tests run it (e2e/idp), with the settings of docs/PROVIDERS.md.

import { randomBytes } from 'node:crypto';

import { startProvider } from '../idp/provider.js';
import { Member } from './member.js';

/** The same as settings of the page and as this run. */
function addressesOf(idp) {
  return { 'http://localhost:3002': idp.issuer, 'my-app': idp.client.client_id, 'a-secret-for-tests-only': idp.client.client_secret };
}

/** A member's access token at another provider, or one that nobody issued. */
async function foreignToken(options) {
  if (options.accessTokens === 'opaque') return randomBytes(32).toString('base64url');
  const other = await startProvider(options);
  try {
    const provider = { ...describe(other, options), redirectUri: options.redirectUri };
    provider.metadata = await (await fetch(`${other.issuer}/.well-known/openid-configuration`)).json();
    return (await new Member({ provider }).login()).tokens.access_token;
  } finally {
    await other.stop();
  }
}

/** What the table needs to know of a running provider. */
function describe(idp, options) {
  const provider = {
    issuer: idp.issuer,
    client: idp.client,
    addresses: addressesOf(idp),
    algorithm: 'ES256',
    scope: 'openid profile email offline_access',
    // `login_hint` logs in: there is no page.
    fill: () => () => {
      throw new Error('oidc-provider asks for nothing');
    },
    knows: (token, kind) => (kind === 'access token' ? idp.knowsAccessToken(token) : idp.knowsRefreshToken(token)),
    foreignTokens: async () => [await foreignToken(options)],
    rotateKeys: () => idp.rotateKeys(),
    removeOldKeys: () => idp.removeOldKeys(),
    stop: () => idp.stop(),
    start: () => idp.start(),
    end: () => idp.stop(),
  };
  return provider;
}

/** Starts it. `options` are those of e2e/idp. */
export async function startOidcProvider(options) {
  const all = { redirectUri: 'http://localhost:3000/callback', ...options };
  return describe(await startProvider(all), all);
}
