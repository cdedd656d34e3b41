// `maxlab-auth dev`: the gateway, its development authorization server, and the demonstration.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';

import { PROGRAM } from './gateway.js';
import { end, eventually, freePort, start } from './process.js';

/** Starts it in a folder, and waits until it has printed how to use it. */
export async function startDev(folder, settings = {}) {
  const [port, idpPort, log] = [await freePort(), await freePort(), join(folder, 'dev.log')];
  const args = ['dev', '--port', String(port), '--idp-port', String(idpPort), '--data-dir', join(folder, 'data')];
  const child = start(PROGRAM, args, { cwd: folder, env: { PATH: process.env.PATH, LOG_LEVEL: 'DEBUG', ...settings }, log });
  // `localhost`: the name that it prints, and that its cookies are for.
  const origin = `http://localhost:${port}`;
  try {
    await eventually('dev is ready', async () => {
      if (child.exitCode !== null) throw new Error(`it ended with ${child.exitCode}`);
      return readFileSync(log, 'utf8').includes('# Log out everywhere');
    }, 30_000);
  } catch (error) {
    await end(child, 'SIGKILL');
    throw new Error(`${error.message}\n${readFileSync(log, 'utf8').slice(-4000)}`);
  }
  return { origin, log: () => readFileSync(log, 'utf8'), stop: () => end(child, 'SIGTERM') };
}
