// Revoked means revoked: at once, for what was named and nothing else, and the authorization server hears of it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { answered, oauthError, refused } from '../harness/expect.js';
import { basic, loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';

for (const tokens of TOKEN_KINDS) {
  describe(`revocation with ${tokens} access tokens`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ tokens });
    });
    after(() => stack?.stop());

    it('of an access token refuses it at once and spares its siblings', async () => {
      const person = await loggedIn(stack);
      const other = await loggedIn(stack);
      await answered(await person.bearer(me));
      await person.revoke(person.tokens.access_token, 'access_token');
      await refused(await person.bearer(me), 'token_revoked');
      await refused(await person.bearer('/oauth/userinfo'), 'token_revoked');
      await answered(await other.bearer(me));
      await answered(await person.page(me));
      await person.refresh();
      await answered(await person.bearer(me));
    });

    it('of a refresh token ends the session and its access tokens', async () => {
      const person = await loggedIn(stack);
      await answered(await person.page(me));
      await person.revoke(person.tokens.refresh_token, 'refresh_token');
      await refused(await person.bearer(me));
      await refused(await person.page(me));
    });

    it('reaches the authorization server', async () => {
      const person = await loggedIn(stack);
      const { refresh_token: token } = person.tokens;
      await person.revoke(token);
      await eventually('the authorization server forgets the refresh token', async () => !(await stack.idp.knowsRefreshToken(token)));
    });

    it('can be repeated, and takes tokens it never saw', async () => {
      const person = await loggedIn(stack);
      const token = person.tokens.access_token;
      await person.revoke(token);
      await person.revoke(token);
      await person.revoke('a-token-of-nobody');
      await refused(await person.bearer(me), 'token_revoked');
    });

    it('takes form and JSON, and asks for a token', async () => {
      const person = await loggedIn(stack);
      const revoke = (headers, body) =>
        fetch(`${stack.gateway.origin}/oauth/revoke`, { method: 'POST', headers: { ...basic(stack.idp.client), ...headers }, body });
      await oauthError(await revoke({}, new URLSearchParams({ token_type_hint: 'access_token' })), 400, 'invalid_request');
      const json = { 'content-type': 'application/json' };
      assert.equal((await revoke(json, JSON.stringify({ token: person.tokens.access_token }))).status, 200);
      await refused(await person.bearer(me), 'token_revoked');
    });

    it('shows in validation and introspection', async () => {
      const person = await loggedIn(stack);
      const { access_token } = person.tokens;
      const introspect = async () =>
        answered(
          await fetch(`${stack.gateway.origin}/oauth/introspect`, {
            method: 'POST',
            headers: basic(stack.idp.client),
            body: new URLSearchParams({ token: access_token }),
          }),
        );
      const active = await introspect();
      assert.equal(active.active, true);
      assert.equal(active.sub, 'member');
      await person.revoke(access_token);
      assert.deepEqual(await introspect(), { active: false });
      const headers = { 'content-type': 'application/json' };
      const validation = await fetch(`${stack.gateway.origin}/oauth/token/validate`, { method: 'POST', headers, body: JSON.stringify({ access_token }) });
      const verdict = await answered(validation);
      assert.equal(verdict.valid, false);
      assert.equal(typeof verdict.reason, 'string');
    });
  });
}

describe('a token without proof', () => {
  let stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack?.stop());

  it('ends nothing: a forged twin of a good token', async () => {
    const person = await loggedIn(stack);
    const [, payload] = person.tokens.access_token.split('.');
    const header = Buffer.from(JSON.stringify({ alg: 'none' })).toString('base64url');
    const [signedHeader, , signature] = person.tokens.access_token.split('.');
    const flipped = (signature[0] === 'A' ? 'B' : 'A') + signature.slice(1);
    for (const forged of [`${header}.${payload}.`, `${signedHeader}.${payload}.${flipped}`]) {
      await person.revoke(forged).catch(() => {});
      await refused(await person.bearer(me, { token: forged }));
      await refused(await person.bearer('/api/v1/auth/logout', { token: forged, method: 'POST' }));
    }
    await answered(await person.bearer(me));
    await answered(await person.page(me));
  });
});
