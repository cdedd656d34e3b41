// Where to: the path that the gateway is asked about is the one that the application gets, and no spelling leads past it.

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { sendBytes } from '../client.js';
import { canonical, isPublic, mayBeAdmin } from '../meaning.js';

const UP = ['..', '%2e%2e', '.%2e', '%2E.', '..;', '..;x=1', '%252e%252e', '..%00', '..%20', '%c0%ae%c0%ae', '..%09'];
const SLASH = ['/', '%2f', '%2F', '\\', '%5c', '//', '/./', '%252f', '%c0%af', '/;/', '%00/'];

/** From the public part into the administrators', and back out of it, in every spelling. */
const CLIMBS = UP.flatMap((up) => SLASH.flatMap((slash) => [`/public${slash}${up}${slash}admin/users`, `/admin${slash}${up}${slash}public/users`]));

const ODD = [
  '//admin', '//admin/users', '///admin/users', '/./admin/users', '/.//admin', '/admin/.', '/admin/..', '/admin%2f..', '/admin%2f', '/admin%2fusers',
  '/public/..', '/public/../', '/public/..%2fadmin', '/public/..%2f..%2fadmin', '/public/%2e%2e/admin', '/public//../admin', '/public/./../admin',
  '/public\\..\\admin', '/public/..\\admin', '\\admin', '/\\admin', '/public%5c..%5cadmin', '/public;/../admin', '/public;x/../admin',
  '/admin;x=1/users', '/admin;/users', '/;/admin/users', '/admin%3b/users', '/admin%00', '/%00admin', '/admin%0a', '/admin%0d%0a', '/admin%20', '/admin%09',
  '/public#/../admin', '/public/#/../../admin', '/admin#/public', '/public?/../admin', '/admin?/public/', '/page?next=/../admin', '/public/%3f/../../admin',
  '/%61dmin', '/%41dmin', '/a%64min/users', '/%2fadmin', '/%5cadmin', '/%2e/admin', '/%252fadmin', '/%2561dmin', '/public/%252e%252e%252fadmin',
  '/admin%c0%af', '/%c1%a1dmin', '/%ff', '/%', '/%zz/admin', '/%u0061dmin', '/public/..%u2215admin', '/public/%ef%bc%8e%ef%bc%8e/admin',
  '/ADMIN', '/Public/page', '/PUBLIC/../admin', '/public', '/public.', '/publicadmin', '/public../admin', '/public..%2fadmin',
  'http://127.0.0.1/admin/users', 'http://127.0.0.1/public/../admin/users', 'http://127.0.0.1//admin', 'HTTP://127.0.0.1/admin',
  '*', 'admin', '?admin', '/', '/?', '/page%20with%20spaces', '/%EA%B9%80', '/%ea%b9%80/x', '/a+b', '/a%2Bb', '/a&b=c', '/a:b@c', "/it's", '/a%7eb',
];

/** Nobody may pass but to what is public by every reading, and a member to nothing that somebody could take for the administrators' part. */
function judge(target, who, answer) {
  for (const seen of answer.reached) {
    const where = `${who} sent ${target}: the application got ${seen.url}`;
    if (who === 'nobody') assert.ok(isPublic(seen.url), where);
    if (who === 'member') assert.ok(!mayBeAdmin(seen.url) || isPublic(seen.url), where);
    for (const question of answer.asked) {
      const [about, ...more] = question.all('x-forwarded-uri');
      assert.deepEqual(more, [], where);
      assert.equal(canonical(about), canonical(seen.url), `${where}, the gateway was asked about ${about}`);
      assert.deepEqual(question.all('x-forwarded-method'), ['GET'], where);
    }
  }
}

export function paths(site) {
  for (const who of ['nobody', 'member', 'administrator']) {
    it(`no spelling of a path leads ${who} further than it may`, async () => {
      let passed = 0;
      for (const target of [...ODD, ...CLIMBS]) {
        const answer = await site.ask(target, { as: site.people[who] }).catch((error) => {
          // Some hang up on such a client.
          assert.match(error.code ?? '', /^(ECONNRESET|EPIPE|HPE_\w+)$/, `${target}: ${error.message}`);
          return { status: 400, reached: [...site.application.requests], asked: [...site.tap.questions] };
        });
        judge(target, who, answer);
        passed += answer.reached.length;
      }
      assert.ok(passed > 0, 'nothing passed at all, so nothing was proven');
    });
  }

  it('what a client says of the original request never reaches the gateway', async () => {
    const lies = [
      [['X-Forwarded-Uri', '/public/']],
      [['X-Forwarded-Uri', '/public/'], ['X-Forwarded-Uri', '/public/x']],
      [['X-Forwarded-Host', 'evil.example'], ['X-Forwarded-Proto', 'https'], ['X-Forwarded-Method', 'OPTIONS']],
      [['X-Original-Uri', '/public/'], ['X-Original-Url', '/public/'], ['X-Original-Method', 'OPTIONS']],
      [['X-Rewrite-Url', '/public/'], ['X_Forwarded_Uri', '/public/']],
    ];
    for (const headers of lies) {
      const answer = await site.ask('/admin/users?x=1', { as: site.people.member, headers });
      assert.ok(answer.status >= 400 && answer.status < 500, String(answer.status));
      assert.deepEqual(answer.reached, []);
      for (const question of answer.asked) {
        assert.deepEqual(question.all('x-forwarded-uri'), ['/admin/users?x=1']);
        assert.deepEqual(question.all('x-forwarded-method'), ['GET']);
        assert.deepEqual(question.all('x-forwarded-host'), [`127.0.0.1:${site.port}`]);
        assert.deepEqual(question.all('x-forwarded-proto'), ['http']);
        for (const other of ['x-original-uri', 'x-original-url', 'x-original-method']) assert.deepEqual(question.all(other), [], other);
      }
    }
  });

  it('a request that is hidden in the body of another is judged for itself', async () => {
    const hidden = `GET /admin/users HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n\r\n`;
    const chunks = `0\r\n\r\n${hidden}`;
    const [length, all] = [chunks.length, `${chunks.length.toString(16)}\r\n${chunks}\r\n0\r\n\r\n`];
    const ambiguous = [
      [`Content-Length: ${length}\r\nTransfer-Encoding: chunked`, chunks],
      [`Transfer-Encoding: chunked\r\nContent-Length: ${length}`, chunks],
      [`Content-Length: ${length}\r\nTransfer-Encoding: xchunked`, chunks],
      [`Content-Length: ${length}\r\nTransfer-Encoding: identity, chunked`, chunks],
      [`Content-Length: ${length}\r\nTransfer-Encoding : chunked`, chunks],
      [`Content-Length: ${length}\r\nTransfer_Encoding: chunked`, chunks],
      [`Content-Length: ${length}\r\nTransfer-Encoding:\x0bchunked`, chunks],
      [`Content-Length: 0\r\nContent-Length: ${hidden.length}`, hidden],
      [`Content-Length: ${hidden.length}\r\nContent-Length: 0`, hidden],
      [`Content-Length: +0\r\nX-Pad: 1`, hidden],
      [`Connection: Content-Length\r\nContent-Length: ${hidden.length}`, hidden],
      [`Connection: Transfer-Encoding\r\nTransfer-Encoding: chunked`, all],
    ];
    for (const [framing, body] of ambiguous) {
      site.application.requests.length = 0;
      const head = `POST /public/form HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\n${framing}\r\n\r\n`;
      await sendBytes(site.port, `${head}${body}GET /public/end HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\nConnection: close\r\n\r\n`);
      for (const seen of site.application.requests) assert.ok(isPublic(seen.url), `${framing}: the application got ${seen.url}`);
    }
  });

  it('ordinary paths arrive as they were sent', async () => {
    for (const path of ['/', '/page', '/page?a=1&b=2', '/a%20b', '/%EA%B9%80%EB%AF%BC%EC%A4%80', '/a.b/c..d/...e', '/page?next=%2Fadmin%2F..', '/page?a=//b\\c']) {
      const answer = await site.ask(path, { as: site.people.member });
      assert.equal(answer.status, 200, `${path}: ${answer.status}`);
      assert.equal(canonical(answer.reached[0].url), canonical(path));
    }
  });
}
