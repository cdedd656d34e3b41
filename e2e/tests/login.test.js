// The authorization code flow with PKCE through the gateway, by a certified client.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import * as oauth from 'openid-client';

import { answered, oauthError, problem, refused } from '../harness/expect.js';
import { COOKIE, Person, basic, loggedIn } from '../harness/person.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';
import { REDIRECT_URI } from '../idp/provider.js';

const SOURCE = { jwt: 'local_jwt', opaque: 'oauth_userinfo' };

for (const tokens of TOKEN_KINDS) {
  describe(`login with ${tokens} access tokens`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ tokens });
    });
    after(() => stack?.stop());

    it('hands over the tokens and the id_token of the authorization server', async () => {
      const person = await loggedIn(stack, 'member');
      assert.equal(person.tokens.claims().sub, 'member');
      assert.equal(person.tokens.claims().iss, stack.idp.issuer);
      assert.ok(person.tokens.refresh_token);
      assert.match(person.answer.headers.get('cache-control'), /no-store/);
    });

    it('opens a session: a cookie for the browser, a handle for everybody else', async () => {
      const person = await loggedIn(stack, 'member');
      const [cookie] = person.answer.headers.getSetCookie().filter((line) => line.startsWith(`${COOKIE}=`));
      assert.match(cookie, /;\s*HttpOnly/i);
      assert.match(cookie, /;\s*SameSite=Lax/i);
      assert.match(cookie, /;\s*Path=\/(;|$)/i);
      assert.ok(person.handle);
      assert.notEqual(person.handle, person.cookie);
      assert.ok(!person.cookie.includes(person.handle));
    });

    it('tells who it is, by bearer token and by cookie', async () => {
      const person = await loggedIn(stack, 'member');
      const byToken = await answered(await person.bearer('/api/v1/auth/me'));
      const byCookie = await answered(await person.page('/api/v1/auth/me'));
      for (const me of [byToken, byCookie]) {
        assert.equal(me.user_id, 'member');
        assert.equal(me.email, 'member@example.test');
        assert.equal(me.name, 'Member, of a Group');
        assert.deepEqual(me.roles, ['member']);
        assert.deepEqual(me.groups, ['research']);
        assert.deepEqual(me.workspaces, ['ws-1']);
      }
      assert.equal(byToken.verification_source, SOURCE[tokens]);
    });

    it('answers userinfo in the guide\'s shape', async () => {
      const { config, tokens: issued } = await loggedIn(stack, 'administrator');
      const claims = await oauth.fetchUserInfo(config, issued.access_token, 'administrator');
      assert.equal(claims.email, 'administrator@example.test');
      assert.deepEqual(claims.roles, ['admin']);
      assert.deepEqual(claims.permissions, ['users:write']);
      assert.deepEqual(claims.groups, ['operators']);
      assert.ok(Date.parse(claims.verified_at));
    });

    it('validates what is good and says no to what is not', async () => {
      const { tokens: issued, origin } = await loggedIn(stack, 'plain');
      const validate = (access_token) =>
        fetch(`${origin}/oauth/token/validate`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ access_token }) });
      assert.equal((await answered(await validate(issued.access_token))).valid, true);
      assert.equal((await answered(await validate(`${issued.access_token}x`))).valid, false);
    });

    it('refuses a token with one character changed', async () => {
      const person = await loggedIn(stack, 'plain');
      const good = person.tokens.access_token;
      const token = good.slice(0, 12) + (good[12] === 'A' ? 'B' : 'A') + good.slice(13);
      await refused(await person.bearer('/api/v1/auth/me', { token }), 'invalid_token');
    });

    it('asks for a credential where there is none', async () => {
      await refused(await fetch(`${stack.gateway.origin}/api/v1/auth/me`), 'missing_credential');
    });

    it('passes the authorization server\'s refusal of a code on: a wrong verifier, a code used twice', async () => {
      const person = new Person(stack, 'plain');
      const stolen = await person.authorize();
      const wrong = { ...stolen.checks, pkceCodeVerifier: oauth.randomPKCECodeVerifier() };
      await assert.rejects(oauth.authorizationCodeGrant(person.config, stolen.callback, wrong), { error: 'invalid_grant', status: 400 });
      assert.equal(person.cookie, undefined);

      const { callback, checks } = await person.authorize();
      await oauth.authorizationCodeGrant(person.config, callback, checks);
      await assert.rejects(oauth.authorizationCodeGrant(person.config, callback, checks), { error: 'invalid_grant', status: 400 });
    });

    it('takes the guide\'s JSON body too', async () => {
      const person = new Person(stack, 'plain');
      const { callback, checks } = await person.authorize();
      const response = await person.page('/oauth/token', {
        method: 'POST',
        headers: { 'content-type': 'application/json', ...basic(stack.idp.client) },
        body: JSON.stringify({
          grant_type: 'authorization_code',
          code: callback.searchParams.get('code'),
          redirect_uri: REDIRECT_URI,
          code_verifier: checks.pkceCodeVerifier,
        }),
      });
      const body = await answered(response);
      assert.ok(body.id_token);
      assert.equal(body.token_type, 'Bearer');
      assert.ok(person.cookie);
    });

    it('passes a wrong client secret on to be refused', async () => {
      const response = await fetch(`${stack.gateway.origin}/oauth/token`, {
        method: 'POST',
        headers: basic({ ...stack.idp.client, client_secret: 'wrong' }),
        body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: 'none' }),
      });
      await oauthError(response, 401, 'invalid_client');
    });
  });
}

describe('the authorization request', () => {
  let stack;
  before(async () => {
    stack = await startStack();
  });
  after(() => stack?.stop());

  const refusedAtOnce = {
    'a redirect URI that is not registered': { redirect_uri: 'http://127.0.0.1:9/other' },
    'a redirect URI that only begins like a registered one': { redirect_uri: `${REDIRECT_URI}/../evil` },
    'an unknown client': { client_id: 'somebody-else' },
  };
  for (const [what, changes] of Object.entries(refusedAtOnce)) {
    it(`with ${what} goes nowhere`, async () => {
      const { url } = await new Person(stack).beginLogin(changes);
      const response = await fetch(url, { redirect: 'manual' });
      assert.equal(response.status, 400);
      assert.equal(response.headers.get('location'), null);
    });
  }

  it('without PKCE is not passed on', async () => {
    const { url } = await new Person(stack).beginLogin();
    url.searchParams.delete('code_challenge');
    url.searchParams.delete('code_challenge_method');
    const response = await fetch(url, { redirect: 'manual' });
    const location = response.headers.get('location') ?? '';
    assert.ok(response.status === 400 || location.startsWith(`${REDIRECT_URI}?`), `${response.status} ${location}`);
    assert.ok(!location.startsWith(stack.idp.issuer));
  });

  it('that is good leads to the authorization server with all it asked', async () => {
    const { url } = await new Person(stack).beginLogin();
    const response = await fetch(url, { redirect: 'manual' });
    assert.equal(response.status, 302);
    const location = new URL(response.headers.get('location'));
    assert.equal(location.origin + location.pathname, `${stack.idp.issuer}/oauth/authorize`);
    for (const [name, value] of url.searchParams) assert.deepEqual(location.searchParams.getAll(name), [value]);
  });
});

for (const clientAuth of ['client_secret_post', 'none']) {
  it(`a client that authenticates by ${clientAuth} logs in, refreshes and revokes`, async (t) => {
    const stack = await startStack({ idp: { clientAuth } });
    t.after(() => stack.stop());
    const person = await loggedIn(stack, 'member');
    await person.refresh();
    await person.revoke(person.tokens.access_token, 'access_token');
    await refused(await person.bearer('/api/v1/auth/me'), 'token_revoked');
  });
}

it('every answer can be named: X-Request-ID, also on errors', async (t) => {
  const stack = await startStack();
  t.after(() => stack.stop());
  const { origin } = stack.gateway;
  for (const path of ['/health', '/api/v1/auth/me', '/nowhere']) {
    assert.ok((await fetch(origin + path)).headers.get('x-request-id'), path);
  }
  await problem(await fetch(`${origin}/nowhere`), 404);
  const wrong = await fetch(`${origin}/oauth/revoke`);
  assert.match(wrong.headers.get('allow') ?? '', /POST/);
  await problem(wrong, 405);
});
