// Ory Hydra with the files of deploy/hydra: its configuration, and the login and consent application. Its database is PostgreSQL.

import { execFile } from 'node:child_process';
import { generateKeyPairSync, randomBytes, sign } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { promisify } from 'node:util';

import { end, eventually, freePort, start } from '../harness/process.js';
import { createDatabase } from '../harness/servers.js';
import { installed } from './installed.js';
import { Member } from './member.js';

const DEPLOY = join(import.meta.dirname, '../../deploy/hydra');
const PROGRAM = installed('bin/hydra');
const KEY_SETS = ['hydra.openid.id-token', 'hydra.jwt.access-token'];
const PASSWORD = 'a-password-for-tests-only';

/** Asks Hydra's administration API. */
const administration = (origin) => async (path, { method = 'GET', body } = {}) => {
  const answer = await fetch(`${origin}/admin${path}`, { method, headers: { 'content-type': 'application/json' }, body: body && JSON.stringify(body) });
  if (!answer.ok) throw new Error(`${method} ${path}: ${answer.status} ${await answer.text()}`);
  return answer.status === 204 ? undefined : answer.json();
};

/** A token as Hydra would have issued it, by a key or a secret that it never had. */
function forged({ issuer }, tokens, format) {
  if (format === 'opaque') return `ory_at_${randomBytes(32).toString('base64url')}.${randomBytes(32).toString('base64url')}`;
  const { privateKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const [header, payload] = tokens.access_token.split('.');
  const claims = { ...JSON.parse(Buffer.from(payload, 'base64url')), iss: issuer, jti: randomBytes(8).toString('hex') };
  const input = `${header}.${Buffer.from(JSON.stringify(claims)).toString('base64url')}`;
  return `${input}.${sign('sha256', Buffer.from(input), privateKey).toString('base64url')}`;
}

const fill = (name) => (fields, html) => {
  if (!fields.includes('username')) throw new Error(`not the login page: ${html.slice(0, 500)}`);
  return { username: name, password: PASSWORD };
};

/** Writes the configuration of deploy/hydra with ports of our own, and makes the database. */
async function prepare(folder, ports) {
  let text = readFileSync(join(DEPLOY, 'hydra.yaml'), 'utf8');
  for (const [there, here] of Object.entries(ports)) text = text.replaceAll(there, String(here));
  const file = join(folder, 'hydra.yaml');
  // The name in the issuer and the address are the same here, so that nothing hangs on what `localhost` means.
  writeFileSync(file, text.replaceAll('localhost', '127.0.0.1'));
  const env = { PATH: process.env.PATH, HOME: folder, DSN: `${createDatabase(process.env.E2E_POSTGRES)}?sslmode=disable` };
  await promisify(execFile)(PROGRAM, ['migrate', 'sql', '--read-from-env', '--yes', '--config', file], { env, cwd: folder });
  return { file, env };
}

/** Starts Hydra for clients whose access tokens are `jwt` or `opaque`. */
export async function startHydra(folder, format) {
  const [open, admin, login] = [await freePort(), await freePort(), await freePort()];
  const { file, env } = await prepare(folder, { 4444: open, 4445: admin, 3001: login });
  const [issuer, inside] = [`http://127.0.0.1:${open}`, `http://127.0.0.1:${admin}`];
  const ask = administration(inside);
  let child;
  const launch = async () => {
    child = start(PROGRAM, ['serve', 'all', '--dev', '--config', file], { cwd: folder, env, log: join(folder, 'hydra.log') });
    await eventually('Hydra is ready', async () => child.exitCode !== null || (await fetch(`${issuer}/health/ready`)).ok, 60_000);
    if (child.exitCode !== null) throw new Error(`Hydra ended with ${child.exitCode}\n${readFileSync(join(folder, 'hydra.log'), 'utf8').slice(-4000)}`);
  };
  const pages = start(process.execPath, [join(DEPLOY, 'login.js')], { cwd: folder, env: { PORT: String(login), HYDRA_ADMIN: inside }, log: join(folder, 'login.log') });
  await launch();
  const client = { ...JSON.parse(readFileSync(join(DEPLOY, 'my-app.json'), 'utf8')), access_token_strategy: format };
  const another = { ...client, client_id: 'another-app', audience: ['other-api'] };
  for (const body of [client, another]) await ask('/clients', { method: 'POST', body });

  const provider = {
    issuer,
    addresses: { 'http://localhost:4444': issuer, ...(format === 'opaque' ? { 'http://localhost:4445': inside } : {}) },
    algorithm: 'RS256',
    scope: 'openid profile email offline_access',
    fill,
    /** Whether Hydra itself still takes a token. */
    async knows(token) {
      return (await (await fetch(`${inside}/admin/oauth2/introspect`, { method: 'POST', body: new URLSearchParams({ token }) })).json()).active;
    },
    foreignTokens: async (member) => [forged(provider, member.tokens, format)],
    async tokenOfAnotherClient() {
      return (await new Member({ provider, client: another }, 'administrator').login()).tokens.access_token;
    },
    async rotateKeys() {
      for (const set of KEY_SETS) await ask(`/keys/${set}`, { method: 'POST', body: { alg: 'RS256', use: 'sig', kid: randomBytes(8).toString('hex') } });
    },
    async removeOldKeys() {
      for (const set of KEY_SETS) {
        // The newest comes first, and signs.
        const [, ...old] = (await ask(`/keys/${set}`)).keys;
        for (const { kid } of old) await ask(`/keys/${set}/${kid}`, { method: 'DELETE' });
      }
    },
    stop: () => end(child),
    start: launch,
    async end() {
      await end(child);
      await end(pages);
    },
  };
  return provider;
}
