// A site: a front proxy with the configuration of `deploy/`, the gateway that it asks, and the application behind it.

import { chmodSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { delimiter, isAbsolute, join } from 'node:path';

import { loggedIn } from '../harness/person.js';
import { end, eventually, freePort, start } from '../harness/process.js';
import { startStack } from '../harness/stack.js';
import { startApplication } from './application.js';
import { send } from './client.js';
import { startGrpcTap } from './grpc-tap.js';
import { startTap } from './tap.js';

const DEPLOY = join(import.meta.dirname, '../../deploy');
const VENV = join(import.meta.dirname, '../.venv/bin');

/** Debian puts servers where a user's search path does not lead. */
const SEARCHED = [VENV, ...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin'];

/** Where a program lies, or undefined. A whole path is that file, if it is there. */
export function program(name) {
  if (isAbsolute(name)) return existsSync(name) ? name : undefined;
  return SEARCHED.map((folder) => join(folder, name)).find((path) => existsSync(path));
}

/**
 * A file of `deploy/` with the addresses that stand in it (gateway 8080, its gRPC 9191, application 3000, the site itself 8088) put in
 * place, written into a folder. Nothing else of it is changed.
 */
export function filledIn(name, folder, { gateway, grpc, application, site, ...paths }) {
  let text = readFileSync(join(DEPLOY, name), 'utf8');
  for (const [port, ours] of [['8080', gateway], ['9191', grpc], ['3000', application], ['8088', site]]) {
    if (ours) text = text.replaceAll(new RegExp(`\\b${port}\\b`, 'g'), String(ours));
  }
  for (const [there, here] of Object.entries(paths)) {
    if (!text.includes(there)) throw new Error(`${name} does not name ${there}`);
    text = text.replaceAll(there, here);
  }
  mkdirSync(folder, { recursive: true });
  const path = join(folder, name.split('/').at(-1));
  writeFileSync(path, text);
  return path;
}

/** Starts a front proxy: `prepare` writes its files and tells the command. Gives back how to end it. */
async function startProxy({ name, prepare }, folder, ports) {
  const log = join(folder, `${name}.log`);
  const [command, ...args] = prepare(folder, ports);
  const child = start(command, args, { cwd: folder, log, env: { PATH: SEARCHED.join(delimiter), HOME: folder, XDG_CONFIG_HOME: folder, XDG_DATA_HOME: folder } });
  try {
    // Some listen before they know where to pass a request on to.
    await eventually(`${name} passes a request on`, async () => {
      if (child.exitCode !== null) return true;
      return (await send(ports.site, { path: '/public/' })).status === 200;
    }, 30_000);
    if (child.exitCode !== null) throw new Error(`${name} ended with ${child.exitCode}`);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`${error.message}\n${existsSync(log) ? readFileSync(log, 'utf8').slice(-4000) : ''}`);
  }
  return { stop: () => end(child), log: () => readFileSync(log, 'utf8') };
}

/** The people of the table, each logged in once. */
const PEOPLE = ['administrator', 'member', 'plain', 'minjun', 'crowded', 'packed'];

/** What the gateway lets everybody do, beside what the proxies ask it nothing about. */
const POLICY = `
[[rule]]
path = "/open/**"
access = "public"
`;

/** Writes the gateway's policy into a folder of its own, which `stop` removes. */
function writePolicy() {
  const folder = mkdtempSync(join(tmpdir(), 'maxlab-auth-policy-'));
  const file = join(folder, 'policy.toml');
  writeFileSync(file, POLICY);
  return { file, stop: () => rmSync(folder, { recursive: true, force: true }) };
}

/** Starts everything. `stop` ends it. */
export async function startSite(proxy) {
  const patience = { REVOCATION_LEASE_SECONDS: '5', UPSTREAM_TIMEOUT_SECONDS: '10' };
  const grpc = proxy.grpc ? await freePort() : undefined;
  const trusted = grpc ? { EXT_AUTHZ_PORT: String(grpc) } : { TRUSTED_PROXIES: '127.0.0.1' };
  const policy = writePolicy();
  const settings = { ...trusted, LOGIN_URL: '/public/login', POLICY_FILE: policy.file, VERIFY_CACHE_SECONDS: '0', IDENTITY_WORKSPACES: 'true', WORKSPACE_SOURCE: 'claims', ...patience };
  const running = [policy];
  const stop = async () => {
    for (const one of running.toReversed()) await one.stop();
  };
  try {
    const stack = await startStack({ tokens: 'jwt', settings });
    running.push(stack);
    const application = await startApplication();
    running.push(application);
    const tap = await (grpc ? startGrpcTap(grpc) : startTap(stack.gateway.origin));
    running.push(tap);
    const asked = grpc ? { gateway: new URL(stack.gateway.origin).port, grpc: tap.port } : { gateway: tap.port };
    const ports = { ...asked, application: application.port, site: await freePort() };
    const folder = join(stack.folder, proxy.name);
    mkdirSync(folder);
    // The proxies give up root where they have it.
    chmodSync(folder, 0o777);
    const front = await startProxy(proxy, folder, ports);
    running.push(front);
    const people = Object.fromEntries(await Promise.all(PEOPLE.map(async (name) => [name, await loggedIn(stack, name)])));
    return { ...stack, front, application, tap, people, port: ports.site, origin: `http://127.0.0.1:${ports.site}`, ask: asker(ports.site, application, tap), stop };
  } catch (error) {
    await stop();
    throw error;
  }
}

/** Asks the site, and tells the answer, what reached the application and what the gateway was asked. */
function asker(port, application, tap) {
  return async (path, { as, cookie, headers = [], ...options } = {}) => {
    application.requests.length = 0;
    tap.questions.length = 0;
    const token = typeof as === 'string' ? as : as?.tokens.access_token;
    const credential = [...(token ? [['Authorization', `Bearer ${token}`]] : []), ...(cookie ? [['Cookie', `maxlab_session=${cookie}`]] : [])];
    const answer = await send(port, { path, headers: [...credential, ...headers], ...options });
    return { ...answer, reached: [...application.requests], asked: tap.questions.filter((question) => question.url.startsWith('/auth/verify')) };
  };
}
