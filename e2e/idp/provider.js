// An authorization server for the tests: npm oidc-provider, which can be stopped, started again and asked what it heard.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import Provider from 'oidc-provider';

import { configuration, registerClient, signingKey } from './configuration.js';
import { memory } from './memory.js';
import { person } from './people.js';

/** Where codes are sent. Nobody listens there: the test reads the address of the last redirect. */
export const REDIRECT_URI = 'http://127.0.0.1:9/callback';

/** A login without a page: `login_hint` names who logs in. */
async function logIn(provider, req, res) {
  const { params } = await provider.interactionDetails(req, res);
  const known = person(params.login_hint ?? '');
  const result = known ? { login: { accountId: known.sub } } : { error: 'access_denied' };
  await provider.interactionFinished(req, res, result, { mergeWithLastSubmission: false });
}

function notFound(res, status = 404) {
  res.writeHead(status, { 'content-type': 'application/json' }).end('{}');
}

/** Requests by paths that oidc-provider does not serve, then all others by itself. */
function handler(provider) {
  const oidc = provider.callback();
  return (req, res) => {
    if (req.url === '/health' || req.url.startsWith('/api/')) notFound(res);
    else if (req.url.startsWith('/interaction/')) logIn(provider, req, res).catch(() => notFound(res, 400));
    else oidc(req, res);
  };
}

/**
 * Starts a provider on 127.0.0.1, on a port of its own.
 * @param {{ accessTokens?: 'jwt' | 'opaque', clientAuth?: string, lifetime?: number, port?: number, redirectUri?: string, clientMetadata?: object }} options
 */
export async function startProvider({ accessTokens = 'jwt', clientAuth = 'client_secret_basic', lifetime = 300, port = 0, redirectUri = REDIRECT_URI, clientMetadata = {} } = {}) {
  const server = createServer();
  const listen = async (at) => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  };
  const bound = await listen(port);
  const issuer = `http://127.0.0.1:${bound}`;
  const [client, another] = ['maxlab-e2e', 'another-app'].map((id) => ({ ...registerClient({ id, auth: clientAuth, redirectUris: [redirectUri] }), ...clientMetadata }));
  const requests = [];
  const cookieKey = randomBytes(24).toString('base64url');
  // Outside of the library's object, so that a new one with other keys knows all grants and tokens.
  const adapter = memory();
  let keys = [signingKey()];
  let provider;
  const build = () => {
    provider = new Provider(issuer, configuration({ accessTokens, clients: [client, another], lifetime, keys, cookieKey, adapter }));
    provider.use(async (ctx, next) => {
      await next();
      if (ctx.oidc) requests.push({ route: ctx.oidc.route, params: { ...ctx.oidc.params }, status: ctx.status });
    });
    server.removeAllListeners('request').on('request', handler(provider));
  };
  build();

  return {
    issuer,
    client,
    another,
    accessTokens,
    /** Every request it answered: `{ route, params, status }`. */
    requests,
    /** How many requests of one route it answered. */
    count: (route, matches = () => true) => requests.filter((one) => one.route === route && matches(one.params)).length,
    /** How many of them were about a token or a login: discovery and keys are fetched in the background, whoever asks what. */
    aboutTokens: () => requests.filter(({ route }) => !['discovery', 'jwks'].includes(route)).length,
    /** Whether it would still take this refresh token. */
    knowsRefreshToken: async (value) => Boolean(await provider.RefreshToken.find(value)),
    /** Whether it would still take this opaque access token. */
    knowsAccessToken: async (value) => Boolean(await provider.AccessToken.find(value)),
    /** Signs with a new key from now on. The others stay published. */
    rotateKeys() {
      keys = [signingKey(), ...keys];
      build();
    },
    /** Publishes only the key that signs. */
    removeOldKeys() {
      keys = keys.slice(0, 1);
      build();
    },
    /** Refuses connections from now on and ends those it has. What it knows stays. */
    async stop() {
      if (!server.listening) return;
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
    /** Listens again, where it did before. */
    start: () => listen(bound),
  };
}
