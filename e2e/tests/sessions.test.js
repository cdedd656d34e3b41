// Sessions as their owner sees them: listed, rotated, ended one by one or all together.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { answered, problem, refused } from '../harness/expect.js';
import { COOKIE, loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';
const post = (body) =>
  body ? { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : { method: 'POST' };

for (const tokens of TOKEN_KINDS) {
  describe(`sessions with ${tokens} access tokens`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ tokens });
    });
    after(() => stack?.stop());

    const list = async (person) => answered(await person.page('/api/v1/auth/sessions'));

    it('lists one\'s own and marks the current one', async () => {
      const [here, there, stranger] = [await loggedIn(stack, 'administrator'), await loggedIn(stack, 'administrator'), await loggedIn(stack, 'plain')];
      const body = await list(here);
      assert.equal(body.user_id, 'administrator');
      assert.equal(body.active_sessions, body.sessions.length);
      const handles = body.sessions.map((session) => session.session_id);
      assert.ok(handles.includes(there.handle));
      assert.ok(!handles.includes(stranger.handle));
      assert.deepEqual(body.sessions.filter((session) => session.current).map((session) => session.session_id), [here.handle]);
      assert.ok(!JSON.stringify(body).includes(here.cookie));
      for (const session of body.sessions) {
        assert.ok(Date.parse(session.created_at));
        assert.equal(session.ip_address, '127.0.0.1');
      }
    });

    it('ends another session of one\'s own, and its tokens', async () => {
      const [here, there] = [await loggedIn(stack), await loggedIn(stack)];
      const ended = await here.page(`/api/v1/auth/sessions/${there.handle}`, { method: 'DELETE' });
      assert.equal((await answered(ended)).status, 'success');
      await refused(await there.page(me));
      await refused(await there.bearer(me));
      await assert.rejects(there.refresh(), { error: 'invalid_grant' });
      await answered(await here.page(me));
      await answered(await here.bearer(me));
    });

    it('does not know a stranger\'s session', async () => {
      const [here, stranger] = [await loggedIn(stack, 'member'), await loggedIn(stack, 'plain')];
      await problem(await here.page(`/api/v1/auth/sessions/${stranger.handle}`, { method: 'DELETE' }), 404);
      const logout = { ...post(), headers: { 'x-session-id': stranger.handle } };
      await here.bearer('/api/v1/auth/logout', logout);
      await answered(await stranger.page(me));
      await answered(await stranger.bearer(me));
    });

    it('rotates the id: the old cookie is dead, the new one lives', async () => {
      const person = await loggedIn(stack);
      const old = person.cookie;
      await answered(await person.page('/api/v1/auth/sessions/rotate', post()));
      assert.notEqual(person.cookie, old);
      await answered(await person.page(me));
      await refused(await fetch(stack.gateway.origin + me, { headers: { cookie: `${COOKIE}=${old}` } }));
    });

    it('does not act for another site\'s page', async () => {
      const person = await loggedIn(stack);
      for (const headers of [{ origin: 'https://evil.example' }, { 'sec-fetch-site': 'cross-site' }, {}]) {
        const response = await fetch(`${stack.gateway.origin}/api/v1/auth/logout`, {
          method: 'POST',
          headers: { ...headers, cookie: `${COOKIE}=${person.cookie}` },
        });
        assert.equal(response.status, 403, JSON.stringify(headers));
      }
      await answered(await person.page(me));
    });
  });

  describe(`logout with ${tokens} access tokens`, () => {
    let stack;
    before(async () => {
      stack = await startStack({ tokens });
    });
    after(() => stack?.stop());

    const loggedOut = async (response) => {
      assert.equal(response.headers.get('clear-site-data'), '"cache", "storage"');
      const body = await answered(response);
      assert.equal(body.status, 'success');
      assert.ok(Date.parse(body.timestamp));
      return body;
    };

    it('by cookie clears the cookie and ends the session with its tokens', async () => {
      const person = await loggedIn(stack);
      const { cookie, tokens: issued } = person;
      const body = await loggedOut(await person.page('/api/v1/auth/logout', post()));
      assert.equal(body.logout_all_devices, false);
      assert.equal(person.cookie, undefined);
      await refused(await fetch(stack.gateway.origin + me, { headers: { cookie: `${COOKIE}=${cookie}` } }));
      await refused(await person.bearer(me));
      await assert.rejects(person.refresh(), { error: 'invalid_grant' });
      await eventually('the authorization server hears of it', async () => !(await stack.idp.knowsRefreshToken(issued.refresh_token)));
    });

    it('by bearer ends the token, with the refresh token of the body', async () => {
      const person = await loggedIn(stack);
      const { refresh_token } = person.tokens;
      await loggedOut(await person.bearer('/api/v1/auth/logout', post({ refresh_token })));
      await refused(await person.bearer(me));
      await refused(await person.page(me));
      await assert.rejects(person.refresh(refresh_token), { error: 'invalid_grant' });
    });

    it('spares the person\'s other logins', async () => {
      const [here, there] = [await loggedIn(stack), await loggedIn(stack)];
      await loggedOut(await here.page('/api/v1/auth/logout', post()));
      await answered(await there.bearer(me));
      await answered(await there.page(me));
    });

    it('can be repeated', async () => {
      const person = await loggedIn(stack);
      const { cookie } = person;
      await loggedOut(await person.page('/api/v1/auth/logout', post()));
      person.browser.setCookie(person.origin, COOKIE, cookie);
      await loggedOut(await person.page('/api/v1/auth/logout', post()));
    });

    it('everywhere ends every login so far and spares those that come after', async () => {
      const [here, there, stranger] = [await loggedIn(stack), await loggedIn(stack), await loggedIn(stack, 'plain')];
      const body = await loggedOut(await here.page('/api/v1/auth/logout/all', post()));
      assert.ok(body.sessions_invalidated >= 2, JSON.stringify(body));
      assert.equal(typeof body.tokens_blacklisted, 'number');
      for (const gone of [here, there]) {
        await refused(await gone.bearer(me));
        await refused(await gone.page(me));
        await assert.rejects(gone.refresh(), { error: 'invalid_grant' });
      }
      const later = await loggedIn(stack);
      await answered(await later.bearer(me));
      await answered(await later.page(me));
      await later.refresh();
      await answered(await later.bearer(me));
      await answered(await stranger.bearer(me));
      await answered(await stranger.page(me));
    });

    it('everywhere by the flag of the guide\'s body does the same', async () => {
      const [here, there] = [await loggedIn(stack, 'plain'), await loggedIn(stack, 'plain')];
      const body = await loggedOut(await here.bearer('/api/v1/auth/logout', post({ logout_all_devices: true })));
      assert.equal(body.logout_all_devices, true);
      await refused(await there.bearer(me));
      await refused(await there.page(me));
    });

    it('everywhere covers tokens that never passed through the gateway', async () => {
      const direct = await loggedIn({ idp: stack.idp, gateway: { origin: stack.idp.issuer } }, 'administrator');
      const elsewhere = () => direct.bearer(me, { origin: stack.gateway.origin });
      await answered(await elsewhere());
      const here = await loggedIn(stack, 'administrator');
      await loggedOut(await here.bearer('/api/v1/auth/logout/all', post()));
      await refused(await elsewhere(), 'token_revoked');
    });
  });
}
