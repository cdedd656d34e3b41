// Sends requests generated from /openapi.json to a real gateway: no 5xx, and no answer that is not documented.
// `node schemathesis/run.js [options of schemathesis run]`

import { once } from 'node:events';
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { COOKIE, loggedIn } from '../harness/person.js';
import { startStack } from '../harness/stack.js';

const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
const KINDS = ['bearer', 'cookie', 'bearer', 'nothing'];

/** Gives each generated request a credential that lives, of one kind after the other: many requests end their own. */
async function credentials(stack) {
  let person;
  let served = 0;
  const alive = async () => person && (await person.bearer('/api/v1/auth/me')).status === 200 && (await person.page('/api/v1/auth/me')).status === 200;
  const next = async () => {
    if (!(await alive())) person = await loggedIn(stack, 'administrator');
    served += 1;
    const kind = KINDS[served % KINDS.length];
    if (kind === 'bearer') return { authorization: `Bearer ${person.tokens.access_token}` };
    return kind === 'cookie' ? { cookie: `${COOKIE}=${person.cookie}`, origin: person.origin } : {};
  };
  let queue = Promise.resolve();
  const server = createServer((req, res) => {
    queue = queue.then(next).then(
      (headers) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(headers)),
      (error) => res.writeHead(500).end(String(error?.stack)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

const stack = await startStack({ tokens: process.env.E2E_TOKENS ?? 'jwt' });
const dispenser = await credentials(stack);
const { client_id, client_secret } = stack.idp.client;
const child = spawn(
  join(import.meta.dirname, '../.venv/bin/schemathesis'),
  [
    ...['run', `${stack.gateway.origin}/openapi.json`, '--checks', CHECKS],
    ...['--max-examples', '25', '--seed', '7', '--request-timeout', '20', '--generation-database', 'none', '--no-color'],
    ...process.argv.slice(2),
  ],
  {
    cwd: import.meta.dirname,
    env: {
      ...process.env,
      SCHEMATHESIS_HOOKS: 'hooks',
      PYTHONDONTWRITEBYTECODE: '1',
      PYTHONPATH: import.meta.dirname,
      E2E_CREDENTIALS: dispenser.url,
      E2E_CLIENT: `${client_id}:${client_secret}`,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
const [code] = await once(child, 'exit');
const panics = stack.gateway.log().split('\n').filter((line) => line.includes('panicked'));
for (const line of panics) console.error(line);
dispenser.stop();
await stack.stop();
process.exit(code === 0 && panics.length === 0 ? 0 : 1);
