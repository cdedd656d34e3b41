// The denylist in Redis is the guide's, so that a Python deployment can share it; and Redis is not what remembers.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { after, before, describe, it } from 'node:test';

import { answered, refused } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { STORES, startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';
const claims = (token) => JSON.parse(Buffer.from(token.split('.')[1], 'base64url'));

describe('the denylist in Redis', { skip: STORES !== 'shared' && 'only with E2E_STORES=shared' }, () => {
  let stack;
  before(async () => {
    stack = await startStack({ settings: { REVOCATION_READS: 'direct' } });
  });
  after(() => stack?.stop());

  const redis = (...command) => execFileSync('redis-cli', ['-u', stack.redis.url, ...command], { encoding: 'utf8' }).trim();

  it('holds the guide\'s entry, until the token is over', async () => {
    const person = await loggedIn(stack);
    const { jti, exp } = claims(person.tokens.access_token);
    await person.revoke(person.tokens.access_token);
    const entry = JSON.parse(redis('get', `blacklist:${jti}`));
    assert.equal(entry.user_id, 'member');
    // The entry's own end: the token's, and the clock skew that is allowed for.
    assert.ok(entry.exp >= exp && entry.exp <= exp + 60, `${entry.exp} for ${exp}`);
    assert.equal(typeof entry.reason, 'string');
    assert.ok(Date.parse(entry.blacklisted_at));
    const left = Number(redis('ttl', `blacklist:${jti}`));
    assert.ok(left >= exp - Date.now() / 1000 - 1 && left <= exp - Date.now() / 1000 + 120, `${left} s`);
  });

  it('is obeyed where another program wrote it', async () => {
    const person = await loggedIn(stack);
    const { jti, exp } = claims(person.tokens.access_token);
    await answered(await person.bearer(me));
    const entry = { reason: 'logout', blacklisted_at: new Date().toISOString(), user_id: 'member', exp };
    redis('setex', `blacklist:${jti}`, '300', JSON.stringify(entry));
    await refused(await person.bearer(me), 'token_revoked');
  });

  it('holds no key that never ends', async () => {
    const person = await loggedIn(stack);
    await person.page('/api/v1/auth/logout/all', { method: 'POST' });
    const keys = redis('--scan').split('\n').filter((key) => /^(blacklist|session|user_sessions|user_tokens):/.test(key));
    assert.ok(keys.length > 0);
    for (const key of keys) assert.ok(Number(redis('ttl', key)) > 0, key);
  });

  it('is filled again after a flush, from the journal', async () => {
    const [gone, kept] = [await loggedIn(stack), await loggedIn(stack, 'plain')];
    await gone.revoke(gone.tokens.access_token);
    redis('flushall');
    for (let i = 0; i < 20; i += 1) assert.notEqual((await gone.bearer(me)).status, 200);
    await eventually('the journal has been replayed', async () => (await gone.bearer(me)).status === 401, 30_000);
    await eventually('others go on', async () => (await kept.bearer(me)).status === 200, 30_000);
  });
});
