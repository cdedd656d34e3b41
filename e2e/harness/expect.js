// The answers that the gateway promises, checked whole.

import assert from 'node:assert/strict';

async function problem(response, status, code) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  assert.match(response.headers.get('content-type') ?? '', /^application\/problem\+json/);
  const body = JSON.parse(text);
  assert.equal(typeof body.detail, 'string', text);
  if (code) assert.equal(body.code, code, text);
  return body;
}

/** 401 with a stable code and a Bearer challenge (RFC 6750 §3). */
export async function refused(response, code) {
  assert.match(response.headers.get('www-authenticate') ?? '', /^Bearer\b/);
  return problem(response, 401, code);
}

/** 503 that says when to come back, and takes no cookie away: an outage is never a logout. */
export async function unavailable(response, code) {
  const body = await problem(response, 503, code);
  assert.match(response.headers.get('retry-after') ?? '', /^\d+$/);
  assert.deepEqual(response.headers.getSetCookie(), []);
  return body;
}

/** 4xx with a problem body. */
export { problem };

/** An OAuth error answer (RFC 6749 §5.2), which also carries the guide's `detail`. */
export async function oauthError(response, status, error) {
  const text = await response.text();
  assert.equal(response.status, status, text);
  const body = JSON.parse(text);
  assert.equal(body.error, error, text);
  assert.equal(typeof body.detail, 'string', text);
  return body;
}

/** 200 with a JSON body, which it returns. */
export async function answered(response) {
  const text = await response.text();
  assert.equal(response.status, 200, text);
  return JSON.parse(text);
}
