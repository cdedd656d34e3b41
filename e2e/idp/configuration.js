// How oidc-provider is set up: the guide's paths, ES256, rotation, PKCE, and one of two kinds of access token.

import { generateKeyPairSync, randomBytes } from 'node:crypto';

import { person } from './people.js';

/** The audience that the access tokens are for. */
export const AUDIENCE = 'maxlab-auth';
const SCOPES = 'openid profile email offline_access';
const CLAIMS = ['name', 'roles', 'permissions', 'groups', 'workspaces'];

/** A key that the provider signs with. */
export function signingKey() {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' });
  return { ...privateKey.export({ format: 'jwk' }), kid: randomBytes(6).toString('hex'), use: 'sig', alg: 'ES256' };
}

/** An OAuth client, as registered with the provider. `auth` is its token endpoint authentication method. */
export function registerClient({ id = 'maxlab-e2e', auth, redirectUris }) {
  return {
    client_id: id,
    ...(auth === 'none' ? {} : { client_secret: randomBytes(24).toString('base64url') }),
    token_endpoint_auth_method: auth,
    redirect_uris: redirectUris,
    grant_types: ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    id_token_signed_response_alg: 'ES256',
  };
}

/** JWT access tokens by way of a resource that every client gets without asking for it. */
function jwtAccessTokens(lifetime) {
  return {
    enabled: true,
    defaultResource: () => `urn:${AUDIENCE}`,
    useGrantedResource: () => true,
    getResourceServerInfo: () => ({
      scope: SCOPES,
      audience: AUDIENCE,
      accessTokenTTL: lifetime,
      accessTokenFormat: 'jwt',
      jwt: { sign: { alg: 'ES256' } },
    }),
  };
}

/** Consent is never asked for: the grant is what the client asks. A new login has a grant of its own. */
async function grantWhatIsAsked(ctx) {
  const { provider, session, client, params } = ctx.oidc;
  const known = session.grantIdFor(client.clientId);
  const existing = known && (await provider.Grant.find(known));
  const grant = existing || new provider.Grant({ accountId: session.accountId, clientId: client.clientId });
  grant.addOIDCScope(params.scope ?? '');
  for (const resource of [params.resource ?? []].flat()) grant.addResourceScope(resource, params.scope ?? '');
  await grant.save();
  return grant;
}

/** The configuration of one provider. `accessTokens` is `jwt` or `opaque`; `lifetime` is theirs, in seconds; the first of `keys` signs. */
export function configuration({ accessTokens, clients, lifetime, keys, cookieKey, adapter }) {
  return {
    adapter,
    clients,
    jwks: { keys },
    cookies: { keys: [cookieKey] },
    scopes: SCOPES.split(' '),
    claims: { openid: ['sub'], profile: CLAIMS, email: ['email'] },
    enabledJWA: { idTokenSigningAlgValues: ['ES256'], userinfoSigningAlgValues: ['ES256'] },
    routes: {
      authorization: '/oauth/authorize',
      token: '/oauth/token',
      userinfo: '/oauth/userinfo',
      revocation: '/oauth/revoke',
      introspection: '/oauth/introspect',
      jwks: '/.well-known/jwks.json',
    },
    features: {
      devInteractions: { enabled: false },
      jwtUserinfo: { enabled: true },
      introspection: { enabled: true, allowedPolicy: () => true },
      revocation: { enabled: true, allowedPolicy: (ctx, caller, token) => token.clientId === caller.clientId },
      resourceIndicators: accessTokens === 'jwt' ? jwtAccessTokens(lifetime) : { enabled: false },
    },
    pkce: { required: () => true },
    clientBasedCORS: () => true,
    clockTolerance: 0,
    interactions: { url: (ctx, interaction) => `/interaction/${interaction.uid}` },
    loadExistingGrant: grantWhatIsAsked,
    findAccount: (ctx, sub) => person(sub) && { accountId: sub, claims: () => person(sub) },
    extraTokenClaims: (ctx, token) => {
      const { sub, ...claims } = person(token.accountId) ?? {};
      return claims;
    },
    issueRefreshToken: (ctx, asking) => asking.grantTypeAllowed('refresh_token'),
    rotateRefreshToken: true,
    expiresWithSession: () => false,
    ttl: { AccessToken: lifetime, AuthorizationCode: 60, Grant: 86400, IdToken: 300, Interaction: 300, RefreshToken: 86400, Session: 86400 },
  };
}
