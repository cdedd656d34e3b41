// No credential is written down: not in the log at its most talkative, not in a file, not in a key or value of Redis.

import assert from 'node:assert/strict';
import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { it } from 'node:test';

import { loggedIn } from '../harness/person.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

/** Everything under a folder, as one text of bytes. */
function bytesUnder(folder) {
  return readdirSync(folder, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => readFileSync(join(entry.parentPath ?? entry.path, entry.name), 'latin1'))
    .join('\n');
}

for (const tokens of TOKEN_KINDS) {
  it(`no credential is written down (${tokens} access tokens)`, async (t) => {
    const stack = await startStack({ tokens, ownPostgres: true, settings: { LOG_LEVEL: 'TRACE' } });
    t.after(() => stack.stop());
    const secrets = new Map([['client secret', stack.idp.client.client_secret]]);
    const note = (who, person) => {
      secrets.set(`access token of ${who}`, person.tokens.access_token);
      secrets.set(`refresh token of ${who}`, person.tokens.refresh_token);
      secrets.set(`session cookie of ${who}`, person.cookie);
    };
    const [one, two] = [await loggedIn(stack), await loggedIn(stack, 'plain')];
    note('one', one);
    note('two', two);
    await one.refresh();
    note('one, refreshed', one);
    await one.bearer('/api/v1/auth/me');
    await one.bearer('/api/v1/auth/me', { token: `${one.tokens.access_token}x` });
    await one.page(`/api/v1/auth/me?access_token=${two.tokens.access_token}`);
    await stack.idp.stop();
    await one.refresh().catch(() => {});
    await two.revoke(two.tokens.refresh_token).catch(() => {});
    await stack.idp.start();
    await one.page('/api/v1/auth/logout/all', { method: 'POST' });

    const written = { 'the log': stack.gateway.log(), 'the data folder': bytesUnder(stack.gateway.data) };
    if (stack.redis) {
      written.Redis = bytesUnder(join(stack.folder, 'redis'));
      await stack.postgres.stop();
      written.PostgreSQL = bytesUnder(join(stack.folder, 'postgres', 'data', 'base'));
    }
    for (const [place, text] of Object.entries(written)) {
      for (const [what, secret] of secrets) assert.ok(!text.includes(secret), `${place} holds the ${what}`);
    }
    assert.ok(written['the log'].length > 0);
  });
}
