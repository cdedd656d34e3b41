// Bad days: the authorization server or a store is gone. Unknown is 503, never yes, never a logout; then all is well again.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';

import { answered, oauthError, refused, unavailable } from '../harness/expect.js';
import { Person, basic, loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { STORES, startStack } from '../harness/stack.js';
import { REDIRECT_URI } from '../idp/provider.js';

const me = '/api/v1/auth/me';

async function stackFor(t, options) {
  const stack = await startStack(options);
  t.after(() => stack.stop());
  return stack;
}

describe('while the authorization server is down', () => {
  it('an opaque token is neither good nor bad, no cookie is lost, and it comes back by itself', async (t) => {
    const stack = await stackFor(t, { tokens: 'opaque', settings: { VERIFY_CACHE_SECONDS: '0' } });
    const person = await loggedIn(stack);
    const { cookie } = person;
    await answered(await person.bearer(me));
    await stack.idp.stop();
    await unavailable(await person.bearer(me), 'upstream_unavailable');
    const page = await person.page(me);
    assert.ok([200, 503].includes(page.status), String(page.status));
    assert.equal(person.cookie, cookie);
    await stack.idp.start();
    await eventually('the token is good again', async () => (await person.bearer(me)).status === 200);
    await answered(await person.page(me));
  });

  it('a JWT is verified by the keys already known, and revocation still works and is told later', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const [person, other] = [await loggedIn(stack), await loggedIn(stack)];
    await answered(await person.bearer(me));
    await stack.idp.stop();
    await answered(await person.bearer(me));
    await answered(await person.page(me));
    await person.revoke(other.tokens.refresh_token);
    await refused(await other.bearer(me));
    assert.equal(await stack.idp.knowsRefreshToken(other.tokens.refresh_token), true);
    await stack.idp.start();
    await eventually('the authorization server hears of it', async () => !(await stack.idp.knowsRefreshToken(other.tokens.refresh_token)), 60_000);
  });

  it('tokens are not issued, and the answer says whose fault it is', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = await loggedIn(stack);
    await stack.idp.stop();
    const response = await fetch(`${stack.gateway.origin}/oauth/token`, {
      method: 'POST',
      body: new URLSearchParams({ grant_type: 'refresh_token', refresh_token: person.tokens.refresh_token, client_id: stack.idp.client.client_id }),
    });
    assert.ok([502, 504].includes(response.status), String(response.status));
    assert.equal(typeof (await response.json()).detail, 'string');
    await stack.idp.start();
    await person.refresh();
  });

  it('the gateway is alive, and ready says who is missing', async (t) => {
    const stack = await stackFor(t, { tokens: 'opaque' });
    const server = async () => (await answered(await fetch(`${stack.gateway.origin}/health/ready`))).components.authorization_server;
    // This one has no health page. It answers all the same, and that is what an outage changes.
    assert.equal((await server()).status_code, 404);
    await stack.idp.stop();
    await answered(await fetch(`${stack.gateway.origin}/health`));
    const gone = await server();
    assert.deepEqual([gone.status, gone.status_code], ['unhealthy', null]);
  });
});

describe('kill -9', () => {
  for (const tokens of ['jwt', 'opaque']) {
    it(`takes back neither a revocation nor a login (${tokens})`, async (t) => {
      const stack = await stackFor(t, { tokens });
      const [gone, kept] = [await loggedIn(stack), await loggedIn(stack, 'plain')];
      await gone.revoke(gone.tokens.refresh_token);
      await gone.revoke(gone.tokens.access_token);
      await stack.gateway.kill();
      await stack.gateway.start();
      await refused(await gone.bearer(me));
      await refused(await gone.page(me));
      await assert.rejects(gone.refresh(), { error: 'invalid_grant' });
      await answered(await kept.bearer(me));
      await answered(await kept.page(me));
    });
  }

  it('forgets nothing that the authorization server still has to hear', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = await loggedIn(stack);
    await stack.idp.stop();
    await person.revoke(person.tokens.refresh_token);
    await stack.gateway.kill();
    await stack.idp.start();
    await stack.gateway.start();
    await eventually('the authorization server hears of it', async () => !(await stack.idp.knowsRefreshToken(person.tokens.refresh_token)), 60_000);
  });
});

describe('while a shared store is down', { skip: STORES !== 'shared' && 'only with E2E_STORES=shared' }, () => {
  it('without Redis nothing is accepted and nobody is logged out', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = await loggedIn(stack);
    const { cookie } = person;
    await stack.redis.stop();
    // An instance may go on for one lease (REVOCATION_LEASE_SECONDS=1) from what it knows.
    const down = await eventually('the gateway notices', async () => {
      const response = await person.bearer(me);
      assert.notEqual(response.status, 401);
      return response.status === 503 && response;
    });
    await unavailable(down, 'store_unavailable');
    await unavailable(await person.page(me), 'store_unavailable');
    assert.equal(person.cookie, cookie);
    await stack.redis.start();
    await eventually('the token is good again', async () => (await person.bearer(me)).status === 200, 30_000);
    await eventually('the session is good again', async () => (await person.page(me)).status === 200, 30_000);
  });

  it('without PostgreSQL a revocation is not acknowledged, and works when it is back', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt', ownPostgres: true });
    const person = await loggedIn(stack);
    await stack.postgres.stop();
    const response = await fetch(`${stack.gateway.origin}/oauth/revoke`, {
      method: 'POST',
      headers: basic(stack.idp.client),
      body: new URLSearchParams({ token: person.tokens.access_token }),
    });
    await oauthError(response, 503, 'temporarily_unavailable');
    assert.match(response.headers.get('retry-after'), /^\d+$/);
    await stack.postgres.start();
    await eventually('revocation works again', async () => person.revoke(person.tokens.access_token).then(() => true), 30_000);
    await refused(await person.bearer(me), 'token_revoked');
  });

  it('a code is not spent on a session that no store can hold', async (t) => {
    const stack = await stackFor(t, { tokens: 'jwt' });
    const person = new Person(stack);
    const { callback, checks } = await person.authorize();
    await stack.redis.stop();
    const response = await person.page('/oauth/token', {
      method: 'POST',
      headers: basic(stack.idp.client),
      body: new URLSearchParams({
        grant_type: 'authorization_code',
        code: callback.searchParams.get('code'),
        redirect_uri: REDIRECT_URI,
        code_verifier: checks.pkceCodeVerifier,
      }),
    });
    await oauthError(response, 503, 'temporarily_unavailable');
    assert.equal(person.cookie, undefined);
    assert.equal(stack.idp.count('token'), 0);
  });
});
