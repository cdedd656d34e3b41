// Keycloak with the realm of deploy/keycloak.

import { cpSync, mkdirSync, readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';

import { basic } from '../harness/person.js';
import { end, eventually, freePort, start } from '../harness/process.js';
import { installed } from './installed.js';
import { Member } from './member.js';
import { startRelay } from './relay.js';

const HOME = installed('keycloak');
const REALM = join(import.meta.dirname, '../../deploy/keycloak/maxlab-realm.json');
const PASSWORD = 'a-password-for-tests-only';
const ADMIN = 'an-administrator-for-tests-only';
const KEYS = 'org.keycloak.keys.KeyProvider';

/**
 * What `bin/kc.sh` calls at last, with little memory, and without time spent on compiling well. Not the script itself: it would stay
 * between this process and Keycloak, and leave Keycloak behind if it were killed.
 */
const JAVA = [
  '-Xms64m',
  '-Xmx512m',
  '-XX:TieredStopAtLevel=1',
  '-Djava.util.concurrent.ForkJoinPool.common.threadFactory=io.quarkus.bootstrap.forkjoin.QuarkusForkJoinWorkerThreadFactory',
  '-Djava.util.logging.manager=org.jboss.logmanager.LogManager',
  `-Djboss.server.config.dir=${join(HOME, 'conf')}`,
  `-Dkc.home.dir=${HOME}`,
  ...['java.util', 'java.util.concurrent', 'java.security', 'java.lang'].map((name) => `--add-opens=java.base/${name}=ALL-UNNAMED`),
  ...['-cp', join(HOME, 'lib/quarkus-run.jar'), 'io.quarkus.bootstrap.runner.QuarkusEntryPoint'],
];

/** Puts the realm where `--import-realm` reads it, and forgets the last run. */
function prepare() {
  rmSync(join(HOME, 'data'), { recursive: true, force: true });
  mkdirSync(join(HOME, 'data/import'), { recursive: true });
  cpSync(REALM, join(HOME, 'data/import/maxlab-realm.json'));
}

/** Whether an address answers 200. A Keycloak that starts takes connections, and may never answer on them. */
async function isThere(address) {
  const answer = await fetch(address, { signal: AbortSignal.timeout(3_000) });
  await answer.body?.cancel();
  return answer.status === 200;
}

async function launch(folder, relay, port) {
  const log = join(folder, 'keycloak.log');
  const [address, inside] = [`http://127.0.0.1:${relay.port}`, `http://127.0.0.1:${port}`];
  const options = [`--http-port=${port}`, `--http-management-port=${await freePort()}`, '--http-host=127.0.0.1', '--http-enabled=true', `--hostname=${address}`];
  const env = { PATH: process.env.PATH, HOME: folder, KC_BOOTSTRAP_ADMIN_USERNAME: 'admin', KC_BOOTSTRAP_ADMIN_PASSWORD: ADMIN };
  const child = start('java', [...JAVA, 'start', '--optimized', '--import-realm', '--cache=local', ...options], { cwd: folder, env, log });
  try {
    await eventually('Keycloak has imported the realm', () => child.exitCode !== null || isThere(`${inside}/realms/maxlab`), 180_000);
    if (child.exitCode !== null) throw new Error(`Keycloak ended with ${child.exitCode}`);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`${error.message}\n${readFileSync(log, 'utf8').slice(-4000)}`);
  }
  return child;
}

/** A person types name and password into Keycloak's form. */
const fill = (name) => (fields, html) => {
  if (!fields.includes('username') || html.includes('kc-feedback-text')) throw new Error(`Keycloak asks for something else: ${html.slice(0, 2000)}`);
  return { username: name, password: PASSWORD };
};

/** An administrator's access token: one of the realm `master`. */
async function administratorsToken(address) {
  const form = new URLSearchParams({ grant_type: 'password', client_id: 'admin-cli', username: 'admin', password: ADMIN });
  const answer = await fetch(`${address}/realms/master/protocol/openid-connect/token`, { method: 'POST', body: form });
  return (await answer.json()).access_token;
}

/** Keycloak's administration API, as its console uses it. */
const administration = (address) => async (path, { method = 'GET', body } = {}) => {
  const headers = { authorization: `Bearer ${await administratorsToken(address)}`, 'content-type': 'application/json' };
  const answer = await fetch(`${address}/admin/realms/maxlab${path}`, { method, headers, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return method === 'GET' ? answer.json() : undefined;
};

/** Starts Keycloak once, for every row of the table. */
export async function startKeycloak(folder) {
  prepare();
  const port = await freePort();
  const relay = await startRelay(port);
  const child = await launch(folder, relay, port);
  const address = `http://127.0.0.1:${relay.port}`;
  const [issuer, inside] = [`${address}/realms/maxlab`, `http://127.0.0.1:${port}`];
  const admin = administration(inside);
  let newest = 100;

  const provider = {
    issuer,
    addresses: { 'http://localhost:8180': address },
    algorithm: 'RS256',
    scope: 'openid profile email',
    fill,
    /** Whether Keycloak itself still takes a token. It introspects no refresh tokens: whether the login goes on says the same. */
    async knows(token, kind) {
      if (kind === 'refresh token') {
        const { sub, sid } = JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));
        const sessions = await admin(`/users/${sub}/sessions`);
        return sessions.some(({ id, clients }) => id === sid && Object.values(clients).includes(provider.client.client_id));
      }
      const body = new URLSearchParams({ token });
      const answer = await fetch(`${inside}/realms/maxlab/protocol/openid-connect/token/introspect`, { method: 'POST', headers: basic(provider.client), body });
      return (await answer.json()).active;
    },
    /** A good token of the same Keycloak, and of another realm. */
    foreignTokens: async () => [await administratorsToken(inside)],
    async tokenOfAnotherClient() {
      const client = { client_id: 'another-app', client_secret: 'another-secret-for-tests-only' };
      return (await new Member({ provider, client }, 'administrator').login()).tokens.access_token;
    },
    async rotateKeys() {
      const { id } = await admin('');
      newest += 1;
      const config = { priority: [String(newest)], enabled: ['true'], active: ['true'], algorithm: ['RS256'], keySize: ['2048'] };
      await admin('/components', { method: 'POST', body: { name: `rsa-${newest}`, providerId: 'rsa-generated', providerType: KEYS, parentId: id, config } });
    },
    async removeOldKeys() {
      const signing = (await admin(`/components?type=${KEYS}`)).filter(({ providerId }) => providerId === 'rsa-generated');
      for (const { id } of signing.filter(({ name }) => name !== `rsa-${newest}`)) await admin(`/components/${id}`, { method: 'DELETE' });
    },
    stop: relay.stop,
    start: relay.start,
    async end() {
      await relay.stop();
      await end(child);
    },
  };
  return provider;
}
