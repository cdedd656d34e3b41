// Input that is too large, doubled or broken gets a 4xx that says what is wrong, and the gateway goes on.

import assert from 'node:assert/strict';
import { connect } from 'node:net';
import { after, before, describe, it } from 'node:test';

import { answered, oauthError, problem } from '../harness/expect.js';
import { basic, loggedIn } from '../harness/person.js';
import { startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';

describe('bad input', () => {
  let stack;
  let origin;
  before(async () => {
    stack = await startStack();
    ({ origin } = stack.gateway);
  });
  after(async () => {
    const log = stack?.gateway.log() ?? '';
    await stack?.stop();
    assert.ok(!log.includes('panicked'));
  });

  const post = (path, body, headers = {}) => fetch(origin + path, { method: 'POST', headers: { ...basic(stack.idp.client), ...headers }, body });

  /** Sends bytes as they are, and returns the status line's number. */
  const raw = (text) =>
    new Promise((resolve, reject) => {
      const socket = connect(new URL(origin).port, '127.0.0.1', () => socket.write(text));
      let answer = '';
      socket.setEncoding('latin1').on('data', (chunk) => {
        answer += chunk;
      });
      socket.on('error', reject).on('close', () => resolve(Number(answer.split(' ')[1])));
    });

  it('a body over 64 KiB is 413', async () => {
    const response = await post('/oauth/revoke', new URLSearchParams({ token: 'x'.repeat(70_000) }));
    assert.equal(response.status, 413);
    assert.equal((await response.json()).code, 'payload_too_large');
  });

  it('a token over 16 KiB is refused without asking anybody', async () => {
    const heard = stack.idp.aboutTokens();
    const response = await fetch(origin + me, { headers: { authorization: `Bearer ${'x'.repeat(17_000)}` } });
    assert.ok([400, 401, 431].includes(response.status), String(response.status));
    assert.equal(stack.idp.aboutTokens(), heard);
  });

  it('parameters that come twice, and bodies that are no JSON, are 400', async () => {
    await oauthError(await post('/oauth/revoke', new URLSearchParams('token=a&token=b')), 400, 'invalid_request');
    const json = { 'content-type': 'application/json' };
    await oauthError(await post('/oauth/token', '{"grant_type":', json), 400, 'invalid_request');
    await oauthError(await post('/oauth/token', '{"grant_type":"refresh_token","grant_type":"x"}', json), 400, 'invalid_request');
    assert.equal((await post('/oauth/token', 'grant_type=x', { 'content-type': 'text/plain' })).status, 415);
  });

  it('two credentials of one kind are none', async () => {
    const { tokens } = await loggedIn(stack);
    const line = `authorization: Bearer ${tokens.access_token}\r\n`;
    const request = (headers) => `GET ${me} HTTP/1.1\r\nhost: gateway\r\nconnection: close\r\n${headers}\r\n`;
    assert.equal(await raw(request(line)), 200);
    assert.ok([400, 401].includes(await raw(request(line + line))));
  });

  it('what is no HTTP is not answered with 5xx', async () => {
    for (const bytes of ['GARBAGE\r\n\r\n', 'GET / HTTP/1.1\r\nhost: a\r\ncontent-length: -1\r\nconnection: close\r\n\r\n']) {
      assert.ok(!((await raw(bytes)) >= 500), bytes);
    }
  });

  it('HEAD works wherever GET does', async () => {
    for (const path of ['/health', '/openapi.json', '/docs']) {
      const response = await fetch(origin + path, { method: 'HEAD' });
      assert.equal(response.status, 200, path);
      assert.equal(await response.text(), '');
    }
  });

  it('ids from outside end nothing and break nothing', async () => {
    const person = await loggedIn(stack);
    for (const id of ['..%2f..%2f', '%00', '%ff%fe', 'x'.repeat(5_000), '*', 'user_sessions:member']) {
      const response = await person.page(`/api/v1/auth/sessions/${id}`, { method: 'DELETE' });
      assert.ok([400, 404].includes(response.status), `${id}: ${response.status}`);
      await problem(response, response.status);
    }
    await answered(await person.page(me));
  });
});
