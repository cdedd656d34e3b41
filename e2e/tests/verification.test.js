// What a verification costs the authorization server, and what the gateway may remember of one.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import * as oauth from 'openid-client';

import { answered, refused } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';

async function stackFor(t, options) {
  const stack = await startStack(options);
  t.after(() => stack.stop());
  return stack;
}

/** A person logged in at the authorization server itself: the gateway has never seen the tokens. */
const elsewhere = (stack, name) => loggedIn({ idp: stack.idp, gateway: { origin: stack.idp.issuer } }, name);

describe('an opaque token', () => {
  it('is asked about once, however many requests wait for the answer', async (t) => {
    const stack = await stackFor(t, { tokens: 'opaque', settings: { VERIFY_CACHE_SECONDS: '30' } });
    const person = await elsewhere(stack, 'member');
    const asked = stack.idp.count('userinfo');
    const answers = await Promise.all(Array.from({ length: 40 }, () => person.bearer(me, { origin: stack.gateway.origin })));
    for (const answer of answers) assert.equal((await answered(answer)).user_id, 'member');
    assert.equal(stack.idp.count('userinfo') - asked, 1);
  });

  it('never answers for another one', async (t) => {
    const stack = await stackFor(t, { tokens: 'opaque', settings: { VERIFY_CACHE_SECONDS: '30' } });
    const people = await Promise.all(['administrator', 'member', 'plain'].map((name) => elsewhere(stack, name)));
    const ask = async (person) => assert.equal((await answered(await person.bearer(me, { origin: stack.gateway.origin }))).user_id, person.name);
    for (let round = 0; round < 10; round += 1) await Promise.all(people.map(ask));
  });

  it('that the authorization server has revoked is refused when the memory of it is over', async (t) => {
    const stack = await stackFor(t, { tokens: 'opaque', settings: { VERIFY_CACHE_SECONDS: '1' } });
    const person = await elsewhere(stack, 'member');
    await answered(await person.bearer(me, { origin: stack.gateway.origin }));
    await oauth.tokenRevocation(person.config, person.tokens.access_token);
    await eventually('it is refused', async () => (await person.bearer(me, { origin: stack.gateway.origin })).status === 401, 5_000);
  });
});

describe('a JWT', () => {
  it('costs no request once the keys are known, and junk never does', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = await loggedIn(stack);
    await answered(await person.bearer(me));
    const heard = stack.idp.aboutTokens();
    for (let i = 0; i < 20; i += 1) {
      await answered(await person.bearer(me));
      await refused(await person.bearer(me, { token: `${person.tokens.access_token.slice(0, -8)}AAAAAAA${i % 10}` }));
    }
    assert.equal(stack.idp.aboutTokens(), heard);
  });

  it('an id_token is no access token', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = await loggedIn(stack);
    await refused(await person.bearer(me, { token: person.tokens.id_token }), 'invalid_token');
  });
});

it('concurrent refreshes of one token reach the authorization server once', async (t) => {
  const stack = await stackFor(t, { tokens: 'jwt' });
  const person = await loggedIn(stack);
  const token = person.tokens.refresh_token;
  await Promise.allSettled(Array.from({ length: 8 }, () => oauth.refreshTokenGrant(person.config, token)));
  assert.equal(stack.idp.count('token', (params) => params.refresh_token === token), 1);
});
