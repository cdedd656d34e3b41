// The authorization server itself, asked directly: what the other suites take for granted about it.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import * as oauth from 'openid-client';

import { loggedIn } from '../harness/person.js';
import { TOKEN_KINDS } from '../harness/stack.js';
import { startProvider } from '../idp/provider.js';

for (const accessTokens of TOKEN_KINDS) {
  describe(`the authorization server with ${accessTokens} access tokens`, () => {
    let idp;
    let direct;
    before(async () => {
      idp = await startProvider({ accessTokens });
      direct = { idp, gateway: { origin: idp.issuer } };
    });
    after(() => idp?.stop());

    it('logs in whom login_hint names', async () => {
      const { tokens } = await loggedIn(direct, 'member');
      assert.equal(tokens.claims().sub, 'member');
      assert.equal(tokens.access_token.split('.').length, accessTokens === 'jwt' ? 3 : 1);
    });

    it('has no health page and no account page', async () => {
      for (const path of ['/health', '/api/v1/auth/me']) assert.equal((await fetch(idp.issuer + path)).status, 404);
    });

    it('rotates refresh tokens and refuses one that was used', async () => {
      const person = await loggedIn(direct, 'plain');
      const used = person.tokens.refresh_token;
      await person.refresh();
      assert.notEqual(person.tokens.refresh_token, used);
      await assert.rejects(person.refresh(used), { error: 'invalid_grant' });
    });

    it('forgets a revoked refresh token', async () => {
      const { config, tokens } = await loggedIn(direct, 'plain');
      assert.equal(await idp.knowsRefreshToken(tokens.refresh_token), true);
      await oauth.tokenRevocation(config, tokens.refresh_token);
      assert.equal(await idp.knowsRefreshToken(tokens.refresh_token), false);
    });

    it('can be stopped and comes back with what it knew', async () => {
      const person = await loggedIn(direct, 'plain');
      await idp.stop();
      await assert.rejects(fetch(`${idp.issuer}/.well-known/openid-configuration`));
      await idp.start();
      await person.refresh();
    });
  });
}

it('puts the claims into a JWT, for this audience', async (t) => {
  const idp = await startProvider({ accessTokens: 'jwt' });
  t.after(() => idp.stop());
  const { tokens } = await loggedIn({ idp, gateway: { origin: idp.issuer } }, 'administrator');
  const [header, claims] = tokens.access_token.split('.').slice(0, 2).map((part) => JSON.parse(Buffer.from(part, 'base64url')));
  assert.equal(header.typ, 'at+jwt');
  assert.equal(claims.aud, 'maxlab-auth');
  assert.deepEqual(claims.roles, ['admin']);
  assert.ok(claims.jti);
});

it('shows the claims of an opaque token at userinfo', async (t) => {
  const idp = await startProvider({ accessTokens: 'opaque' });
  t.after(() => idp.stop());
  const { config, tokens } = await loggedIn({ idp, gateway: { origin: idp.issuer } }, 'member');
  const claims = await oauth.fetchUserInfo(config, tokens.access_token, 'member');
  assert.deepEqual(claims.workspaces, ['ws-1']);
});
