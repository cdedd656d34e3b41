// A Redis and a PostgreSQL of the test's own, on private ports of 127.0.0.1.

import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { chownSync, existsSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';

import { end, eventually, freePort, start } from './process.js';


/** A Redis whose data outlives a restart. */
export async function startRedis(folder) {
  const dir = join(folder, 'redis');
  mkdirSync(dir, { recursive: true });
  const port = await freePort();
  let child;
  const launch = async () => {
    const options = ['--port', port, '--bind', '127.0.0.1', '--dir', dir, '--save', '', '--appendonly', 'yes', '--appendfsync', 'always'];
    child = start('redis-server', options.map(String), { log: join(folder, 'redis.log') });
    await eventually('Redis answers', () => execFileSync('redis-cli', ['-p', String(port), 'ping'], { stdio: 'pipe' }).includes('PONG'));
  };
  await launch();
  return { url: `redis://127.0.0.1:${port}/0`, stop: () => end(child), start: launch };
}

/** PostgreSQL refuses to run as root: there it runs as the user that its package made. */
function unprivileged() {
  if (process.getuid() !== 0) return {};
  const id = (flag) => Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }));
  return { uid: id('-u'), gid: id('-g') };
}

function programs() {
  const root = '/usr/lib/postgresql';
  const newest = existsSync(root) && readdirSync(root).sort((a, b) => Number(b) - Number(a))[0];
  return newest ? (name) => join(root, newest, 'bin', name) : (name) => name;
}

/** A database that nobody else uses, in a server that is there. */
export function createDatabase(server) {
  const name = `e2e_${randomBytes(6).toString('hex')}`;
  const { hostname, port, username } = new URL(server);
  execFileSync(programs()('createdb'), ['-h', hostname, '-p', port, '-U', username, name], { stdio: 'pipe' });
  return `${server}/${name}`;
}

/** A PostgreSQL server. `url` names no database: `createDatabase` makes one. */
export async function startPostgres(folder) {
  const [user, program, port] = [unprivileged(), programs(), await freePort()];
  const dir = join(folder, 'postgres');
  mkdirSync(dir, { recursive: true });
  if (user.uid) chownSync(dir, user.uid, user.gid);
  const data = join(dir, 'data');
  const quiet = { ...user, cwd: dir, stdio: 'pipe' };
  execFileSync(program('initdb'), ['-D', data, '-U', 'maxlab', '-A', 'trust', '-E', 'UTF8', '--no-sync', '--no-locale'], quiet);
  let child;
  const launch = async () => {
    const settings = [`port=${port}`, 'listen_addresses=127.0.0.1', `unix_socket_directories=${dir}`, 'max_connections=200', 'fsync=off'];
    child = start(program('postgres'), ['-D', data, ...settings.flatMap((one) => ['-c', one])], { ...user, cwd: dir, log: join(folder, 'postgres.log') });
    await eventually('PostgreSQL answers', () => execFileSync(program('pg_isready'), ['-h', '127.0.0.1', '-p', String(port)], quiet), 30_000);
  };
  await launch();
  return { url: `postgresql://maxlab@127.0.0.1:${port}`, stop: () => end(child, 'SIGINT'), start: launch };
}
