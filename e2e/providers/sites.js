// The gateways before one provider: one for each verification layer and each kind of storage, all at once.

import { chmodSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startGateway } from '../harness/gateway.js';
import { createDatabase, startRedis } from '../harness/servers.js';
import { Member } from './member.js';
import { documentedSettings } from './settings.js';

/** What only tests set: nothing is answered from memory that the provider could have changed its mind about. */
const IMPATIENT = { VERIFY_CACHE_SECONDS: '0', REVOCATION_LEASE_SECONDS: '1' };

/** A gateway before the provider, whose layer decides alone. */
async function startSite({ provider, stores, layer, documented, running }, folder) {
  mkdirSync(folder, { recursive: true });
  const redis = stores === 'shared' ? await startRedis(folder) : undefined;
  if (redis) running.push(redis);
  const storage = redis ? { REDIS_URL: redis.url, DATABASE_URL: createDatabase(process.env.E2E_POSTGRES) } : {};
  const gateway = await startGateway(folder, { ...documented, VERIFY_LAYERS: layer, ...IMPATIENT, ...storage });
  running.push(gateway);
  return { name: `${layer}, ${stores}`, provider, layer, gateway, origin: gateway.origin };
}

/**
 * Starts the provider, then a gateway for each of `layers` with embedded and with shared storage.
 * @param {{ name: string, settings: string, layers: string[], start: Function }} kind
 */
export async function startSites({ settings, layers, start, stores: kinds = ['embedded', 'shared'] }) {
  const folder = mkdtempSync(join(tmpdir(), 'maxlab-auth-e2e-'));
  chmodSync(folder, 0o755);
  const running = [];
  const stop = async () => {
    for (const one of running.toReversed()) await one.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  try {
    const provider = await start(folder);
    running.push({ stop: () => provider.end() });
    const documented = documentedSettings(settings, provider.addresses);
    provider.client = { client_id: documented.OAUTH_CLIENT_ID, client_secret: documented.OAUTH_CLIENT_SECRET, ...provider.client };
    provider.redirectUri = documented.ALLOWED_REDIRECT_URIS;
    provider.metadata = await (await fetch(`${provider.issuer.replace(/\/$/, '')}/.well-known/openid-configuration`)).json();
    // A provider may make its keys when it first needs them, and a gateway that has just fetched the others learns of them later.
    await new Member({ provider }).login();
    const wanted = layers.flatMap((layer) => kinds.map((stores) => ({ layer, stores })));
    const sites = [];
    // One after another: each is ready within a second, and a crowd of them on two cores is not.
    for (const one of wanted) sites.push(await startSite({ provider, documented, running, ...one }, join(folder, `${one.layer}-${one.stores}`)));
    return { provider, sites, stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** A person who has logged in at a site. */
export const loggedIn = (site, name) => new Member(site, name).login();
