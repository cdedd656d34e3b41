// Runs the tests on one kind of storage, with one PostgreSQL for all of them: `[E2E_STORES=shared] node run.js [file …]`

import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { chmodSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { startPostgres } from './harness/servers.js';
import { STORES } from './harness/stack.js';

/** How many files run at once. More than there are cores where the tests mostly wait. */
const CONCURRENCY = process.env.E2E_CONCURRENCY ?? '2';
/** How many milliseconds one file may take. */
const TIMEOUT = process.env.E2E_TIMEOUT ?? '120000';
const all = () => readdirSync(join(import.meta.dirname, 'tests')).filter((name) => name.endsWith('.test.js')).map((name) => `tests/${name}`);
const files = process.argv.length > 2 ? process.argv.slice(2) : all();

const folder = mkdtempSync(join(tmpdir(), 'maxlab-auth-e2e-'));
chmodSync(folder, 0o755);
const postgres = STORES === 'shared' ? await startPostgres(folder) : undefined;
const child = spawn(
  process.execPath,
  ['--test', '--test-reporter=spec', `--test-concurrency=${CONCURRENCY}`, `--test-timeout=${TIMEOUT}`, ...files],
  { cwd: import.meta.dirname, env: { ...process.env, ...(postgres ? { E2E_POSTGRES: postgres.url } : {}) }, stdio: ['ignore', 'inherit', 'inherit'] },
);
// Whoever ends this ends the tests too, which end their servers.
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => child.kill(signal));
const [code] = await once(child, 'exit');
await postgres?.stop();
rmSync(folder, { recursive: true, force: true });
process.exit(code ?? 1);
