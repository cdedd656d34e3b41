// The gateway's own program, started with settings from the environment.

import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { join, resolve } from 'node:path';

import { end, eventually, freePort, start } from './process.js';

/** The gateway's program. */
export const PROGRAM = resolve(process.env.MAXLAB_AUTH_BIN ?? join(import.meta.dirname, '../../target/debug/maxlab-auth'));

/** Starts a gateway and waits until it is healthy. `settings` are environment variables. */
export async function startGateway(folder, settings) {
  if (!existsSync(PROGRAM)) throw new Error(`no gateway at ${PROGRAM}: cargo build -p maxlab-auth, or set MAXLAB_AUTH_BIN`);
  mkdirSync(folder, { recursive: true });
  const port = await freePort();
  const [origin, log] = [`http://127.0.0.1:${port}`, join(folder, 'gateway.log')];
  const env = {
    PATH: process.env.PATH,
    HOST: '127.0.0.1',
    PORT: String(port),
    DATA_DIR: join(folder, 'data'),
    ENVIRONMENT: 'development',
    LOG_LEVEL: 'DEBUG',
    ...settings,
  };
  let child;
  const launch = async () => {
    child = start(PROGRAM, ['serve'], { cwd: folder, env, log });
    try {
      await eventually('the gateway is healthy', async () => {
        if (child.exitCode !== null) return true;
        return (await fetch(`${origin}/health`)).status === 200;
      }, 20_000);
      if (child.exitCode !== null) throw new Error(`the gateway ended with ${child.exitCode}`);
    } catch (error) {
      await end(child, 'SIGKILL');
      throw new Error(`${error.message}\n${readFileSync(log, 'utf8').slice(-4000)}`);
    }
  };
  await launch();
  return {
    origin,
    /** Where it keeps its data. */
    data: env.DATA_DIR,
    /** Everything it has logged so far. */
    log: () => readFileSync(log, 'utf8'),
    stop: () => end(child, 'SIGTERM'),
    /** Ends it as a power cut would. */
    kill: () => end(child, 'SIGKILL'),
    start: launch,
  };
}
