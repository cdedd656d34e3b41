// Two gateways on the same stores: what one is told, the other knows when the answer is given.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { answered, refused } from '../harness/expect.js';
import { COOKIE, loggedIn } from '../harness/person.js';
import { STORES, TOKEN_KINDS, startStack } from '../harness/stack.js';

const me = '/api/v1/auth/me';

for (const tokens of TOKEN_KINDS) {
  describe(`two instances with ${tokens} access tokens`, { skip: STORES !== 'shared' && 'only with E2E_STORES=shared' }, () => {
    let stack;
    let there;
    before(async () => {
      stack = await startStack({ tokens, instances: 2 });
      there = stack.gateways[1].origin;
    });
    after(() => stack?.stop());

    const pageThere = (cookie) => fetch(there + me, { headers: { cookie: `${COOKIE}=${cookie}` } });

    it('accept each other\'s sessions and tokens', async () => {
      const person = await loggedIn(stack);
      await answered(await person.bearer(me, { origin: there }));
      await answered(await pageThere(person.cookie));
    });

    it('refuse at once what was revoked on the other', async () => {
      for (let round = 0; round < 5; round += 1) {
        const person = await loggedIn(stack);
        await answered(await person.bearer(me, { origin: there }));
        await person.revoke(person.tokens.access_token);
        await refused(await person.bearer(me, { origin: there }), 'token_revoked');
      }
    });

    it('refuse at once what was logged out everywhere on the other', async () => {
      const [one, two] = [await loggedIn(stack, 'plain'), await loggedIn(stack, 'plain')];
      await answered(await pageThere(two.cookie));
      await answered(await one.page('/api/v1/auth/logout/all', { method: 'POST' }));
      for (const person of [one, two]) await refused(await person.bearer(me, { origin: there }));
      await refused(await pageThere(two.cookie));
      const later = await loggedIn(stack, 'plain');
      await answered(await later.bearer(me, { origin: there }));
    });

    it('refuse at once the session that was ended on the other', async () => {
      const [one, two] = [await loggedIn(stack), await loggedIn(stack)];
      await answered(await pageThere(two.cookie));
      await answered(await one.page(`/api/v1/auth/sessions/${two.handle}`, { method: 'DELETE' }));
      await refused(await pageThere(two.cookie));
      await refused(await two.bearer(me, { origin: there }));
    });

    it('go on when one of them is killed', async () => {
      const person = await loggedIn(stack);
      await stack.gateways[1].kill();
      const started = performance.now();
      await person.revoke(person.tokens.access_token);
      assert.ok(performance.now() - started < 5_000, 'a lost instance holds a revocation up for its lease at most');
      await refused(await person.bearer(me), 'token_revoked');
      await stack.gateways[1].start();
      await refused(await person.bearer(me, { origin: there }), 'token_revoked');
    });
  });
}
