// Who may pass: a token, a session cookie, the right role, a login and a logout through the proxy.

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { Person, loggedIn } from '../../harness/person.js';
import { passed, refused, refusedSomehow } from './expect.js';

const tampered = (token) => token.slice(0, -4) + (token.endsWith('AAAA') ? 'BBBB' : 'AAAA');

export function credentials(site) {
  it('a good token passes, and the application never sees it', async () => {
    const seen = passed(await site.ask('/page', { as: site.people.member }));
    assert.deepEqual(seen.identity['remote-user'], ['member']);
    assert.equal(seen.headers.authorization, undefined);
  });

  it('a session cookie passes', async () => {
    const seen = passed(await site.ask('/page', { cookie: site.people.member.cookie }));
    assert.deepEqual(seen.identity['remote-user'], ['member']);
  });

  it('a session cookie passes beside one that is not ASCII', async () => {
    const name = Buffer.from('name=김민준').toString('latin1');
    const seen = passed(await site.ask('/page', { headers: [['Cookie', `${name}; maxlab_session=${site.people.member.cookie}`]] }));
    assert.deepEqual(seen.identity['remote-user'], ['member']);
  });

  it('no credential and bad ones are 401', async () => {
    const { access_token: token } = site.people.member.tokens;
    refused(await site.ask('/page'), 401);
    for (const as of ['junk', 'a.b.c', tampered(token), `${token}x`]) refused(await site.ask('/page', { as }), 401);
    refused(await site.ask('/page', { cookie: 'A'.repeat(43) }), 401);
    refused(await site.ask('/page', { headers: [['Authorization', 'Basic bWVtYmVyOm1lbWJlcg==']] }), 401);
    refused(await site.ask('/page', { as: tampered(token), cookie: site.people.member.cookie }), 401);
  });

  it('two credentials of a kind are refused, whichever of them is good', async () => {
    const bearer = ['Authorization', `Bearer ${site.people.member.tokens.access_token}`];
    const junk = ['Authorization', 'Bearer junk'];
    for (const headers of [[bearer, junk], [junk, bearer]]) refusedSomehow(await site.ask('/page', { headers }));
    const { cookie } = site.people.member;
    refusedSomehow(await site.ask('/page', { headers: [['Cookie', `maxlab_session=${cookie}; maxlab_session=junk`]] }));
  });

  it('a token revoked a moment ago, and an ended session, are 401', async () => {
    const person = await loggedIn(site, 'plain');
    passed(await site.ask('/page', { as: person }));
    passed(await site.ask('/page', { cookie: person.cookie }));
    await person.revoke(person.tokens.access_token);
    refused(await site.ask('/page', { as: person }), 401);
    await person.revoke(person.tokens.refresh_token);
    refused(await site.ask('/page', { cookie: person.cookie }), 401);
  });

  it('a missing role is 403, and its holder passes', async () => {
    for (const path of ['/admin', '/admin/', '/admin/users?page=2', '/ADMIN/users', '/%61dmin/users']) {
      refused(await site.ask(path), 401);
      refused(await site.ask(path, { as: site.people.member }), 403);
      refused(await site.ask(path, { cookie: site.people.member.cookie }), 403);
      const seen = passed(await site.ask(path, { as: site.people.administrator }));
      assert.deepEqual(seen.identity['remote-roles'], ['admin']);
    }
    passed(await site.ask('/administration', { as: site.people.member }));
  });

  it('the public part needs nothing, and the gateway is not asked about it', async () => {
    const answer = await site.ask('/public/page');
    passed(answer);
    assert.deepEqual(answer.asked, []);
    passed(await site.ask('/public/page', { as: 'junk' }));
    refused(await site.ask('/publicity'), 401);
  });

  it('a cookie acts from its own origin only, whatever method the client says it was', async () => {
    const { cookie } = site.people.member;
    const post = (headers) => site.ask('/page', { method: 'POST', body: 'x=1', cookie, headers });
    passed(await post([['Origin', site.origin]]));
    refused(await post([['Origin', 'https://evil.example']]), 403);
    for (const name of ['X-Forwarded-Method', 'X-Original-Method', 'X-HTTP-Method-Override']) {
      refused(await post([['Origin', 'https://evil.example'], [name, 'GET']]), 403);
    }
    refused(await post([['Origin', 'https://evil.example'], ['X-Forwarded-Host', 'evil.example']]), 403);
  });

  it('a browser on its way to a page is sent to log in, and then back', async () => {
    const headers = [['Accept', 'text/html,*/*;q=0.8'], ['Sec-Fetch-Mode', 'navigate']];
    const answer = await site.ask('/page?a=1&b=%20', { headers });
    assert.equal(answer.status, 302, answer.body);
    assert.deepEqual(answer.reached, []);
    const location = new URL(answer.headers.location, site.origin);
    assert.equal(location.origin + location.pathname, `${site.origin}/public/login`);
    assert.equal(location.searchParams.get('rd'), `${site.origin}/page?a=1&b=%20`);
    refused(await site.ask('/page', { headers: [['Accept', 'application/json']] }), 401);
    refused(await site.ask('/page', { method: 'POST', body: 'x', headers }), 401);
  });

  it('somebody logs in and out through the proxy', async () => {
    const person = await new Person({ idp: site.idp, gateway: { origin: site.origin } }, 'member').login();
    passed(await site.ask('/page', { cookie: person.cookie }));
    const before = person.cookie;
    const answer = await person.page('/api/v1/auth/logout', { method: 'POST' });
    assert.equal(answer.status, 200, await answer.text());
    assert.equal(person.cookie, undefined);
    refused(await site.ask('/page', { cookie: before }), 401);
    refused(await site.ask('/page', { as: person }), 401);
  });

  it('nothing else of the gateway is to be had through it', async () => {
    for (const path of ['/metrics', '/auth/verify', '/api/v1/admin/denylist', '/_auth', '/health/ready']) {
      const answer = await site.ask(path);
      assert.ok([401, 403, 404].includes(answer.status), `${path}: ${answer.status}`);
      assert.deepEqual(answer.reached, []);
    }
  });

  it('a cookie that the gateway sets with its yes reaches the browser', async () => {
    const cookie = 'maxlab_session=renewed; Path=/; HttpOnly';
    site.tap.adds = ['Set-Cookie', cookie];
    try {
      const answer = await site.ask('/page', { cookie: site.people.member.cookie });
      passed(answer);
      assert.deepEqual(answer.cookies, [cookie]);
    } finally {
      site.tap.adds = [];
    }
    assert.deepEqual((await site.ask('/page', { cookie: site.people.member.cookie })).cookies, []);
  });
}
