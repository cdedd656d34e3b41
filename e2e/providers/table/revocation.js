// What is over here, and that the provider hears of it.

import assert from 'node:assert/strict';

import { answered, refused } from '../../harness/expect.js';
import { eventually } from '../../harness/process.js';
import { loggedIn } from '../sites.js';

const me = '/api/v1/auth/me';

const hears = (site, token, kind) => eventually(`the provider refuses the ${kind}`, async () => !(await site.provider.knows(token, kind)), 30_000);

export function revocation({ everywhere }) {
  everywhere('a revoked access token is refused at once, and its session goes on', async (site) => {
    const member = await loggedIn(site);
    await answered(await member.bearer(me));
    await member.revoke(member.tokens.access_token, 'access_token');
    await refused(await member.bearer(me), 'token_revoked');
    await answered(await member.page(me));
  });

  everywhere('the provider hears of a revoked access token', async (site) => {
    const member = await loggedIn(site);
    const { access_token: token } = member.tokens;
    assert.equal(await site.provider.knows(token, 'access token'), true);
    await member.revoke(token, 'access_token');
    await hears(site, token, 'access token');
  }, 'accessRevocation');

  everywhere('a revoked refresh token ends the session and its access tokens', async (site) => {
    const member = await loggedIn(site);
    await member.revoke(member.tokens.refresh_token, 'refresh_token');
    await refused(await member.bearer(me));
    await refused(await member.page(me));
    await assert.rejects(member.refresh(), { error: 'invalid_grant' });
  });

  everywhere('a logout ends all of one login and nothing of another', async (site) => {
    const [member, elsewhere] = [await loggedIn(site), await loggedIn(site)];
    await answered(await member.page('/api/v1/auth/logout', { method: 'POST' }));
    assert.equal(member.cookie, undefined);
    await refused(await member.bearer(me));
    await assert.rejects(member.refresh(), { error: 'invalid_grant' });
    await answered(await elsewhere.page(me));
    await answered(await elsewhere.page('/api/v1/auth/logout/all', { method: 'POST' }));
    await refused(await elsewhere.bearer(me));
  });

  everywhere('the provider hears of a revoked refresh token, and of a logout', async (site) => {
    const [member, other] = [await loggedIn(site), await loggedIn(site)];
    for (const person of [member, other]) assert.equal(await site.provider.knows(person.tokens.refresh_token, 'refresh token'), true);
    await member.revoke(member.tokens.refresh_token, 'refresh_token');
    await hears(site, member.tokens.refresh_token, 'refresh token');
    await answered(await other.page('/api/v1/auth/logout', { method: 'POST' }));
    await hears(site, other.tokens.refresh_token, 'refresh token');
  }, 'revocation');
}
