// Everything ends: sessions that nobody uses, sessions that are old, sessions over the limit, and tokens.

import assert from 'node:assert/strict';
import { describe, it } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';

import { answered, refused } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { eventually } from '../harness/process.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';

async function stackFor(t, options) {
  const stack = await startStack(options);
  t.after(() => stack.stop());
  return stack;
}

const ends = (what, ask) => eventually(what, async () => (await ask()).status === 401, 10_000);

describe('a session', () => {
  it('ends when nobody uses it, and being listed is no use', async (t) => {
    const stack = await stackFor(t, { settings: { SESSION_IDLE_SECONDS: '3' } });
    const [idle, watcher] = [await loggedIn(stack), await loggedIn(stack)];
    const listed = async () => (await answered(await watcher.bearer('/api/v1/auth/sessions'))).sessions.some((one) => one.session_id === idle.handle);
    assert.equal(await listed(), true);
    await eventually('it is gone from the list', async () => !(await listed()), 10_000);
    await refused(await idle.page(me));
  });

  it('goes on while it is used, and ends all the same when it is old', async (t) => {
    const stack = await stackFor(t, { settings: { SESSION_IDLE_SECONDS: '3', SESSION_MAX_SECONDS: '6' } });
    const person = await loggedIn(stack);
    const started = performance.now();
    await ends('the session is old', async () => {
      await pause(300);
      return person.page(me);
    });
    const lived = performance.now() - started;
    assert.ok(lived > 4_000, `it ended after ${lived} ms of use`);
  });

  it('gives way when its person has too many', async (t) => {
    const stack = await stackFor(t, { settings: { SESSION_MAX_PER_USER: '2' } });
    const people = [];
    for (let i = 0; i < 3; i += 1) people.push(await loggedIn(stack));
    const stranger = await loggedIn(stack, 'plain');
    await refused(await people[0].page(me));
    for (const person of [people[1], people[2], stranger]) await answered(await person.page(me));
  });
});

for (const tokens of TOKEN_KINDS) {
  it(`a token ends (${tokens}), its session does not, and a refresh gives a new one`, async (t) => {
    const stack = await stackFor(t, { tokens, idp: { lifetime: 4 }, settings: { CLOCK_SKEW_SECONDS: '0', VERIFY_CACHE_SECONDS: '1' } });
    const person = await loggedIn(stack);
    await answered(await person.bearer(me));
    await ends('the token is over', () => person.bearer(me));
    await refused(await person.bearer(me), tokens === 'jwt' ? 'token_expired' : undefined);
    await person.refresh();
    await answered(await person.bearer(me));
    await answered(await person.page(me));
  });
}
