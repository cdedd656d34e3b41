// Cookies: the application gets its own, byte for byte, and never the gateway's (N4).

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { websocket } from '../client.js';
import { passed, refusedSomehow } from './expect.js';

const latin1 = (text) => Buffer.from(text).toString('latin1');

/** What a browser sends, with `SESSION` in the place of the session id, and what the application may get of it. */
const TABLE = [
  ['maxlab_session=SESSION', ''],
  ['maxlab_session=SESSION; a=1; b=2', 'a=1; b=2'],
  ['a=1; maxlab_session=SESSION; b=2', 'a=1; b=2'],
  ['a=1; b=2; maxlab_session=SESSION', 'a=1; b=2'],
  ['a=1;maxlab_session=SESSION;b=2', 'a=1;b=2'],
  ['__Host-maxlab_session=x; maxlab_session=SESSION; a=1; __Host-maxlab_browser=y; maxlab_browser=z', 'a=1'],
  ['a=1; __Host-maxlab_session=x; __Host-maxlab_browser=y; maxlab_session=SESSION; b=2', 'a=1; b=2'],
  [
    'x__Host-maxlab_session=1; xmaxlab_session=2; maxlab_session=SESSION; maxlab_session2=3; Maxlab_Session=4; maxlab_sessions=5; _maxlab_browser=6',
    'x__Host-maxlab_session=1; xmaxlab_session=2; maxlab_session2=3; Maxlab_Session=4; maxlab_sessions=5; _maxlab_browser=6',
  ],
  ['q="a b"; e=; maxlab_session=SESSION; flag; u=a=b==; p=%3B%20maxlab_session%3Dx; maxlab_session', 'q="a b"; e=; flag; u=a=b==; p=%3B%20maxlab_session%3Dx; maxlab_session'],
  [latin1('name=김민준; maxlab_session=SESSION; c=é'), latin1('name=김민준; c=é')],
];

const UNTOUCHED = ['a=1; b=2', 'x__Host-maxlab_session=1', 'theme=maxlab_session', latin1('name=김민준;b="c, d"'), 'a=1;  b=2 ;c'];

/** The cookies that the application got, as one header: several say the same as one with `; ` between them. */
const got = (seen) => seen.cookies.filter((value) => value !== '').join('; ');

export function cookies(site) {
  it('n4: the application gets its own cookies, byte for byte, and never the gateway\'s', async () => {
    for (const path of ['/page', '/public/page', '/open/page']) {
      for (const [sent, left] of TABLE) {
        const cookie = sent.replace('SESSION', site.people.member.cookie);
        assert.equal(got(passed(await site.ask(path, { headers: [['Cookie', cookie]] }))), left, `${path}: ${sent}`);
      }
    }
    const cookie = `a=1; maxlab_session=${site.people.administrator.cookie}; b=2`;
    assert.equal(got(passed(await site.ask('/admin/', { headers: [['Cookie', cookie]] }))), 'a=1; b=2');
    const stale = 'a=1; maxlab_session=stale; b=2';
    assert.equal(got(passed(await site.ask('/page', { as: site.people.member, headers: [['Cookie', stale]] }))), 'a=1; b=2', 'beside a token');
  });

  it('n4: cookies without one of the gateway\'s pass untouched', async () => {
    for (const path of ['/page', '/public/page']) {
      for (const cookie of UNTOUCHED) {
        assert.equal(got(passed(await site.ask(path, { as: site.people.member, headers: [['Cookie', cookie]] }))), cookie, path);
      }
      assert.equal(got(passed(await site.ask(path, { as: site.people.member }))), '');
    }
  });

  it('n4: the gateway\'s cookie is cut out of several Cookie headers too', async () => {
    const own = `maxlab_session=${site.people.member.cookie}`;
    for (const fields of [[own, 'a=1; b=2'], ['a=1', own, 'b=2'], ['a=1; b=2', `${own}; c=3`], ['__Host-maxlab_browser=x', own, 'a=1']]) {
      for (const path of ['/page', '/public/page']) {
        const answer = await site.ask(path, { headers: fields.map((field) => ['Cookie', field]) });
        // Some join several headers in a way that leaves no session in them: nobody passes then, and nothing leaks.
        if (answer.status !== 200) {
          refusedSomehow(answer);
          continue;
        }
        const left = fields.join('; ').split('; ').filter((pair) => !/^(__Host-)?maxlab_/.test(pair));
        assert.deepEqual(got(passed(answer)).split(/[;,] /), left, `${path}: ${fields.join(' | ')}`);
      }
    }
  });

  it('n4: nothing of the gateway\'s is left of any number of its cookies', async () => {
    for (const count of [2, 3, 4, 5, 9]) {
      const cookie = `a=1; ${Array.from({ length: count }, (_, i) => `maxlab_session=secret${i}`).join('; ')}; b=2`;
      const answer = await site.ask('/public/page', { headers: [['Cookie', cookie]] });
      if (answer.status === 200) assert.equal(got(passed(answer)), 'a=1; b=2', String(count));
      else refusedSomehow(answer);
    }
  });

  it('n4: a websocket brings the application its own cookies only', async () => {
    site.application.requests.length = 0;
    const cookie = `a=1; maxlab_session=${site.people.member.cookie}; b=2`;
    const opened = await websocket(site.port, '/socket', [['Cookie', cookie], ['Origin', site.origin]]);
    assert.equal(opened.status, 101);
    assert.equal(got(site.application.requests[0]), 'a=1; b=2');
  });
}
