// How: long tokens, websockets, HEAD, bodies, and clients that leave.

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { eventually } from '../../harness/process.js';
import { begin, websocket } from '../client.js';
import { passed, refused, refusedSomehow } from './expect.js';

export function transport(site) {
  it('a token of 8 KiB passes, with all the groups that it names', async () => {
    const { access_token: token } = site.people.crowded.tokens;
    assert.ok(token.length > 8000 && token.length < 9500, String(token.length));
    const seen = passed(await site.ask('/page', { as: site.people.crowded }));
    assert.equal(seen.identity['remote-groups'][0].split(',').length, 118);
  });

  it('a token of almost 16 KiB passes too, and a longer one never', async () => {
    const { access_token: token } = site.people.packed.tokens;
    assert.ok(token.length > 15_500 && token.length <= 16_384, String(token.length));
    const seen = passed(await site.ask('/page', { as: site.people.packed }));
    assert.equal(seen.identity['remote-groups'][0].split(',').length, 244);
    refusedSomehow(await site.ask('/page', { as: `${token}${'x'.repeat(1024)}` }));
    refusedSomehow(await site.ask('/page', { as: 'x'.repeat(16_385) }));
    refusedSomehow(await site.ask('/page', { as: 'x'.repeat(100_000) }).catch((error) => ({ status: 431, reached: [...site.application.requests], body: error.message })));
  });

  it('a websocket opens for whoever may, and for nobody else', async () => {
    const bearer = (person) => [['Authorization', `Bearer ${person.tokens.access_token}`]];
    const open = async (path, headers) => {
      site.application.requests.length = 0;
      return { ...(await websocket(site.port, path, headers)), reached: site.application.requests };
    };
    const opened = await open('/socket', bearer(site.people.member));
    assert.deepEqual([opened.status, opened.echoed], [101, true]);
    assert.deepEqual(opened.reached[0].identity['remote-user'], ['member']);
    const byCookie = await open('/socket', [['Cookie', `maxlab_session=${site.people.member.cookie}`], ['Origin', site.origin]]);
    assert.deepEqual([byCookie.status, byCookie.echoed], [101, true]);
    for (const [path, headers, status] of [['/socket', [], 401], ['/socket', bearer({ tokens: { access_token: 'junk' } }), 401], ['/admin/socket', bearer(site.people.member), 403]]) {
      const answer = await open(path, headers);
      assert.equal(answer.status, status);
      assert.deepEqual(answer.reached, []);
    }
  });

  it('HEAD is answered as GET is, without a body', async () => {
    const answer = await site.ask('/page', { method: 'HEAD', as: site.people.member });
    assert.equal(passed(answer).method, 'HEAD');
    assert.equal(answer.body, '');
    refused(await site.ask('/page', { method: 'HEAD' }), 401);
    refused(await site.ask('/admin/', { method: 'HEAD', as: site.people.member }), 403);
  });

  it('a body reaches the application and not the gateway', async () => {
    const body = 'x'.repeat(200_000);
    for (const method of ['POST', 'PUT', 'DELETE', 'PATCH']) {
      const answer = await site.ask('/page', { method, body, as: site.people.member });
      const seen = passed(answer);
      assert.deepEqual([seen.method, seen.body.length], [method, body.length]);
      assert.deepEqual(answer.asked.flatMap((question) => question.all('content-length')).filter((length) => length !== '0'), []);
      assert.deepEqual(answer.asked.flatMap((question) => question.all('x-forwarded-method')), [method]);
    }
    assert.equal(passed(await site.ask('/page', { method: 'POST', as: site.people.member, body, chunked: true })).body.length, body.length);
    assert.equal(passed(await site.ask('/page', { method: 'POST', as: site.people.member, body: '' })).body, '');
    refused(await site.ask('/page', { method: 'POST', body }), 401);
    assert.equal(passed(await site.ask('/page', { method: 'OPTIONS', as: site.people.member })).method, 'OPTIONS');
  });

  it('clients that leave, while it asks or while the application works, harm nobody', async () => {
    const { application, tap, people } = site;
    const bearer = [['Authorization', `Bearer ${people.administrator.tokens.access_token}`]];
    const asked = tap.questions.length;
    tap.hangs = true;
    const leaving = await Promise.all(Array.from({ length: 8 }, () => begin(site.port, '/page', bearer)));
    await eventually('it asks for all of them', () => tap.questions.length >= asked + leaving.length);
    leaving.forEach((one) => one.leave());
    tap.release();
    const before = application.held;
    const waiting = await Promise.all(Array.from({ length: 4 }, () => begin(site.port, '/hold', bearer)));
    await eventually('the application holds them', () => application.held === before + waiting.length);
    waiting.forEach((one) => one.leave());
    if (!site.proxy.noticesLate) await eventually('the application hears that they left', () => application.left >= waiting.length);
    for (const name of ['member', 'minjun', 'member']) {
      assert.deepEqual(passed(await site.ask('/page', { as: people[name] })).identity['remote-user'], [name]);
    }
    refused(await site.ask('/page'), 401);
  });
}
