// A whole deployment: an authorization server, storage and one or more gateways.

import { randomBytes } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { AUDIENCE } from '../idp/configuration.js';
import { REDIRECT_URI, startProvider } from '../idp/provider.js';
import { startGateway } from './gateway.js';
import { createDatabase, startPostgres, startRedis } from './servers.js';

/** `embedded` is SQLite in the data folder; `shared` is Redis and PostgreSQL. */
export const STORES = process.env.E2E_STORES ?? 'embedded';
if (!['embedded', 'shared'].includes(STORES)) throw new Error(`E2E_STORES=${STORES}: embedded or shared`);

/** The kinds of access token that each suite runs with. */
export const TOKEN_KINDS = ['jwt', 'opaque'];

/** oidc-provider's userinfo refuses tokens meant for a resource, so JWTs are checked by their signature alone. */
function verification(idp) {
  if (idp.accessTokens === 'opaque') return {};
  return { VERIFY_LAYERS: 'local_jwt', JWT_ISSUER: idp.issuer, JWT_AUDIENCE: AUDIENCE };
}

function gatewaySettings(idp) {
  return {
    EXTERNAL_AUTH_URL: idp.issuer,
    OAUTH_CLIENT_ID: idp.client.client_id,
    ...(idp.client.client_secret ? { OAUTH_CLIENT_SECRET: idp.client.client_secret } : {}),
    ALLOWED_CLIENT_IDS: idp.client.client_id,
    ALLOWED_REDIRECT_URIS: REDIRECT_URI,
    SESSION_ENCRYPTION_KEY: `${randomBytes(32).toString('base64').replaceAll('+', '-').replaceAll('/', '_')}`,
    SECRET_KEY: randomBytes(32).toString('hex'),
    UPSTREAM_TIMEOUT_SECONDS: '3',
    REVOCATION_LEASE_SECONDS: '1',
    ...verification(idp),
  };
}

/**
 * Starts a deployment. `stop` ends all of it and removes its files.
 * The PostgreSQL at `E2E_POSTGRES` is used where there is one, unless the test stops or reads its own.
 * @param {{ tokens?: 'jwt' | 'opaque', instances?: number, settings?: Record<string, string>, idp?: object, ownPostgres?: boolean }} options
 */
export async function startStack({ tokens = 'jwt', instances = 1, settings = {}, idp: idpOptions = {}, ownPostgres = false } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'maxlab-auth-e2e-'));
  chmodSync(folder, 0o755);
  const running = [];
  const started = async (server) => {
    running.push(await server);
    return server;
  };
  const stop = async () => {
    for (const server of running.toReversed()) await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const idp = await started(startProvider({ accessTokens: tokens, ...idpOptions }));
    const redis = STORES === 'shared' ? await started(startRedis(folder)) : undefined;
    const server = ownPostgres ? undefined : process.env.E2E_POSTGRES;
    const postgres = STORES === 'shared' && !server ? await started(startPostgres(folder)) : undefined;
    const stores = redis ? { REDIS_URL: redis.url, DATABASE_URL: createDatabase(server ?? postgres.url) } : {};
    const all = { ...gatewaySettings(idp), ...stores, ...settings };
    const gateways = [];
    for (let i = 0; i < instances; i += 1) {
      gateways.push(await started(startGateway(join(folder, `gateway-${i}`), all)));
    }
    return { idp, redis, postgres, gateways, gateway: gateways[0], folder, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}
