// What a front proxy may answer.

import assert from 'node:assert/strict';

/** The application answered, and it was reached once. */
export function passed(answer) {
  assert.equal(answer.status, 200, `${answer.status}: ${answer.body.slice(0, 400)}`);
  assert.equal(answer.reached.length, 1);
  return answer.reached[0];
}

/** A refusal with this status; the application heard nothing. */
export function refused(answer, status) {
  assert.equal(answer.status, status, `${answer.status}: ${answer.body.slice(0, 400)}`);
  assert.deepEqual(answer.reached, []);
  if (status === 401) assert.match(answer.headers['www-authenticate'] ?? '', /^Bearer\b/);
}

/** Some refusal that blames the client; the application heard nothing. */
export function refusedSomehow(answer) {
  assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status}: ${answer.body.slice(0, 400)}`);
  assert.deepEqual(answer.reached, []);
}

/** Nobody knows: a 5xx of the proxy's, never a yes, never a logout. */
export function unknown(answer, status) {
  assert.ok(status >= 500);
  assert.equal(answer.status, status, `${answer.status}: ${answer.body.slice(0, 400)}`);
  assert.deepEqual(answer.reached, []);
  assert.deepEqual(answer.cookies, []);
}
