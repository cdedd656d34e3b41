// Refresh through the gateway, with a server that rotates refresh tokens and ends the grant when one is used twice.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { answered, refused } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

const refreshes = (idp, token) => idp.count('token', (params) => params.refresh_token === token);

for (const tokens of TOKEN_KINDS) {
  describe(`refresh with ${tokens} access tokens`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ tokens, settings: { REFRESH_GRACE_SECONDS: '0' } });
    });
    after(() => stack?.stop());

    it('gives new tokens, and the session goes on', async () => {
      const person = await loggedIn(stack);
      const { refresh_token: first, access_token: old } = person.tokens;
      await person.refresh();
      assert.notEqual(person.tokens.refresh_token, first);
      assert.notEqual(person.tokens.access_token, old);
      assert.equal((await answered(await person.bearer('/api/v1/auth/me'))).user_id, 'member');
      assert.equal((await answered(await person.page('/api/v1/auth/me'))).user_id, 'member');
      const { sessions } = await answered(await person.page('/api/v1/auth/sessions'));
      assert.equal(sessions.filter((session) => session.current).length, 1);
    });

    it('makes no second session', async () => {
      const person = await loggedIn(stack, 'plain');
      const count = async () => (await answered(await person.bearer('/api/v1/auth/sessions'))).active_sessions;
      const before = await count();
      await person.refresh();
      assert.equal(await count(), before);
    });

    it('refuses a refresh token that was used', async () => {
      const person = await loggedIn(stack);
      const used = person.tokens.refresh_token;
      await person.refresh();
      await assert.rejects(person.refresh(used), { error: 'invalid_grant', status: 400 });
    });

    it('never asks the authorization server about a refresh token that was revoked', async () => {
      const person = await loggedIn(stack);
      const token = person.tokens.refresh_token;
      await person.revoke(token, 'refresh_token');
      await assert.rejects(person.refresh(token), { error: 'invalid_grant', status: 400 });
      assert.equal(refreshes(stack.idp, token), 0);
    });

    it('tokens from a refresh die with the session', async () => {
      const person = await loggedIn(stack);
      const first = person.tokens.access_token;
      await person.refresh();
      await person.revoke(person.tokens.refresh_token, 'refresh_token');
      for (const token of [first, person.tokens.access_token]) await refused(await person.bearer('/api/v1/auth/me', { token }));
      await refused(await person.page('/api/v1/auth/me'));
    });
  });
}
