// Sends requests generated from /openapi.json to a real gateway: no 5xx, and no answer that is not documented.
// `node schemathesis/run.js [options of schemathesis run]`

import { once } from 'node:events';
import { createServer } from 'node:http';
import { spawn } from 'node:child_process';
import { join } from 'node:path';

import { COOKIE, basic, loggedIn } from '../harness/person.js';
import { startStack } from '../harness/stack.js';

const CHECKS = 'not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance';
const OF_CLIENTS = ['/oauth/token', '/oauth/revoke', '/oauth/introspect'];
const KINDS = ['bearer', 'cookie', 'bearer', 'nothing'];

/** Gives each generated request what nobody can guess: a credential that lives, a code challenge, a refresh token. */
class Dispenser {
  #served = 0;

  constructor(stack) {
    this.stack = stack;
  }

  /** Somebody logged in: many requests end their own session. */
  async #somebody() {
    const lives = (answer) => answer.status === 200;
    const alive = this.person && lives(await this.person.bearer('/api/v1/auth/me')) && lives(await this.person.page('/api/v1/auth/me'));
    if (!alive) this.person = await loggedIn(this.stack, 'administrator');
    return this.person;
  }

  #credential({ tokens, cookie, origin }) {
    const kind = KINDS[this.#served % KINDS.length];
    if (kind === 'bearer') return { authorization: `Bearer ${tokens.access_token}` };
    return kind === 'cookie' ? { cookie: `${COOKIE}=${cookie}`, origin } : {};
  }

  /** What to put into a request to this path; every second one at the OAuth endpoints stays as it was generated. */
  async next(path) {
    this.#served += 1;
    const person = await this.#somebody();
    const generated = this.#served % 2 === 0;
    if (path === '/oauth/authorize') {
      return generated ? {} : { query: Object.fromEntries((await person.beginLogin()).url.searchParams) };
    }
    if (!OF_CLIENTS.includes(path)) return { headers: this.#credential(person) };
    const headers = basic(this.stack.idp.client);
    if (generated || path !== '/oauth/token') return { headers };
    return { headers, body: { grant_type: 'refresh_token', refresh_token: (await loggedIn(this.stack, 'member')).tokens.refresh_token } };
  }
}

/** Serves a dispenser to hooks.py, one request after the other. */
async function serve(dispenser) {
  let queue = Promise.resolve();
  const server = createServer((req, res) => {
    const { searchParams } = new URL(req.url, 'http://127.0.0.1');
    queue = queue.then(() => dispenser.next(searchParams.get('path'))).then(
      (filling) => res.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(filling)),
      (error) => res.writeHead(500).end(String(error?.stack)),
    );
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return { url: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() };
}

// Thousands of requests a minute come from one address.
const unlimited = { RATE_LIMIT_PER_ADDRESS: 'off', RATE_LIMIT_PER_CLIENT: 'off', RATE_LIMIT_PER_PERSON: 'off' };
const stack = await startStack({ tokens: process.env.E2E_TOKENS ?? 'jwt', settings: unlimited });
const fillings = await serve(new Dispenser(stack));
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
      E2E_FILLINGS: fillings.url,
    },
    stdio: ['ignore', 'inherit', 'inherit'],
  },
);
const [code] = await once(child, 'exit');
const panics = stack.gateway.log().split('\n').filter((line) => line.includes('panicked'));
for (const line of panics) console.error(line);
fillings.stop();
await stack.stop();
process.exit(code === 0 && panics.length === 0 ? 0 : 1);
