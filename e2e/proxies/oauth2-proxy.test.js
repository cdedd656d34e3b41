// Beside oauth2-proxy: what each answers after a revocation and during outages. Only the gateway's own answers are judged.

import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { Browser } from '../harness/browser.js';
import { answered } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { end, eventually, freePort, start } from '../harness/process.js';
import { startRedis } from '../harness/servers.js';
import { STORES, startStack } from '../harness/stack.js';
import { AUDIENCE } from '../idp/configuration.js';
import { REDIRECT_URI } from '../idp/provider.js';
import { installed } from '../providers/installed.js';

const PROGRAM = installed('bin/oauth2-proxy');
const skip = !existsSync(PROGRAM) && 'skipped: `cargo xtask test --only providers` builds oauth2-proxy with Go';
const SECRET = '0123456789abcdef0123456789abcdef';

/** Starts oauth2-proxy before the same provider, with its sessions in a Redis of its own. */
async function startOauth2Proxy(stack, port) {
  const redis = await startRedis(join(stack.folder, 'oauth2-proxy'));
  const { issuer, client } = stack.idp;
  const flags = {
    provider: 'oidc',
    'http-address': `127.0.0.1:${port}`,
    'redirect-url': `http://127.0.0.1:${port}/oauth2/callback`,
    'client-id': client.client_id,
    'client-secret': client.client_secret,
    'cookie-secret': SECRET,
    'cookie-secure': 'false',
    'email-domain': '*',
    'insecure-oidc-allow-unverified-email': 'true',
    upstream: 'static://200',
    'skip-provider-button': 'true',
    'skip-jwt-bearer-tokens': 'true',
    // Not discovered, because the address of the login names who logs in.
    'skip-oidc-discovery': 'true',
    'oidc-issuer-url': issuer,
    'oidc-jwks-url': `${issuer}/.well-known/jwks.json`,
    'login-url': `${issuer}/oauth/authorize?login_hint=member`,
    'redeem-url': `${issuer}/oauth/token`,
    'oidc-extra-audience': AUDIENCE,
    'oidc-enabled-signing-alg': 'ES256',
    scope: 'openid profile email',
    'code-challenge-method': 'S256',
    'session-store-type': 'redis',
    'redis-connection-url': redis.url,
  };
  const log = join(stack.folder, 'oauth2-proxy.log');
  const child = start(PROGRAM, Object.entries(flags).map(([name, value]) => `--${name}=${value}`), { log, cwd: stack.folder });
  const origin = `http://127.0.0.1:${port}`;
  await eventually('oauth2-proxy answers', async () => (await fetch(`${origin}/ping`)).ok);
  const stop = async () => {
    await end(child);
    await redis.stop();
  };
  return { origin, redis, stop };
}

/** Two credentials at each of both: a bearer token and the cookie of a login. Tells what each answers. */
async function bothKinds(stack, theirs) {
  const person = await loggedIn(stack);
  const browser = new Browser();
  await browser.navigate(`${theirs.origin}/oauth2/start?rd=/done`, `${theirs.origin}/done`);
  const token = { authorization: `Bearer ${person.tokens.access_token}` };
  const ask = async (url, headers) => (await fetch(url, { headers, redirect: 'manual' })).status;
  const cookieOf = { ours: `maxlab_session=${person.cookie}`, theirs: `_oauth2_proxy=${browser.cookie(theirs.origin, '_oauth2_proxy')}` };
  const [here, there] = [`${stack.gateway.origin}/auth/verify`, `${theirs.origin}/oauth2/auth`];
  return {
    person,
    browser,
    answers: async () => ({
      'bearer token, gateway': await ask(here, token),
      'bearer token, oauth2-proxy': await ask(there, token),
      'session cookie, gateway': await ask(here, { cookie: cookieOf.ours }),
      'session cookie, oauth2-proxy': await ask(there, { cookie: cookieOf.theirs }),
    }),
  };
}

describe('beside oauth2-proxy', { skip }, () => {
  const table = {};
  const running = [];
  let [stack, theirs] = [];

  before(async () => {
    const port = await freePort();
    const redirects = [REDIRECT_URI, `http://127.0.0.1:${port}/oauth2/callback`];
    stack = await startStack({ tokens: 'jwt', idp: { clientMetadata: { redirect_uris: redirects } } });
    running.push(stack);
    theirs = await startOauth2Proxy(stack, port);
    running.push(theirs);
  });
  after(async () => {
    console.table(table);
    for (const one of running.toReversed()) await one.stop();
  });

  /** Notes the answers in the table, and gives back the gateway's, for the token and for the cookie. */
  const note = async (when, credentials) => {
    const answers = await credentials.answers();
    table[when] = answers;
    return [answers['bearer token, gateway'], answers['session cookie, gateway']];
  };

  it('revoked a moment ago', async () => {
    const credentials = await bothKinds(stack, theirs);
    assert.deepEqual(await note('logged in', credentials), [200, 200]);
    await credentials.person.revoke(credentials.person.tokens.access_token);
    assert.deepEqual(await note('access token revoked', credentials), [401, 200]);
    await answered(await credentials.person.page('/api/v1/auth/logout', { method: 'POST' }));
    await credentials.browser.fetch(`${theirs.origin}/oauth2/sign_out`);
    assert.deepEqual(await note('logged out', credentials), [401, 401]);
  });

  it('the provider is gone', async () => {
    const credentials = await bothKinds(stack, theirs);
    await stack.idp.stop();
    assert.deepEqual(await note('the provider is gone', credentials), [200, 200]);
    await stack.idp.start();
  });

  it('Redis is gone', async () => {
    const credentials = await bothKinds(stack, theirs);
    await theirs.redis.stop();
    await stack.redis?.stop();
    const answers = await note(`Redis is gone (${STORES})`, credentials);
    // With a Redis of its own it answers for as long as its lease lasts (a second here), and then "unknown": no outage is a logout.
    for (const status of answers) assert.ok(STORES === 'shared' ? [200, 503].includes(status) : status === 200, String(status));
    await theirs.redis.start();
    await stack.redis?.start();
  });
});
