// The provider stops, and comes back.

import assert from 'node:assert/strict';

import { answered, refused, unavailable } from '../../harness/expect.js';
import { basic } from '../../harness/person.js';
import { eventually } from '../../harness/process.js';
import { loggedIn } from '../sites.js';

const me = '/api/v1/auth/me';

/** A refresh while the provider is away is 502 or 504, and spends nothing. */
async function refreshes(site, member) {
  const body = new URLSearchParams({ grant_type: 'refresh_token', refresh_token: member.tokens.refresh_token });
  const answer = await fetch(`${site.origin}/oauth/token`, { method: 'POST', headers: basic(site.provider.client), body });
  assert.ok([502, 504].includes(answer.status), `${answer.status}: ${await answer.text()}`);
  assert.match(answer.headers.get('retry-after') ?? '', /^\d+$/);
}

export function outage({ row, each, lacks }) {
  row('a stopped provider is no logout, and it comes back', async (t, { provider, sites }) => {
    const people = new Map();
    await Promise.all(sites.map(async (site) => people.set(site, [await loggedIn(site), await loggedIn(site)])));
    for (const site of sites) for (const person of people.get(site)) await answered(await person.bearer(me));
    await provider.stop();
    try {
      await each(t, async (site) => {
        const [member, gone] = people.get(site);
        const { cookie } = member;
        const answer = await member.bearer(me);
        if (site.layer === 'local_jwt') await answered(answer);
        else await unavailable(answer, 'upstream_unavailable');
        assert.ok([200, 503].includes((await member.page(me)).status));
        assert.equal(member.cookie, cookie);
        await refreshes(site, member);
        await gone.revoke(gone.tokens.refresh_token, 'refresh_token');
        await refused(await gone.page(me));
      }, ', while it is stopped');
    } finally {
      await provider.start();
    }
    await each(t, async (site) => {
      const [member, gone] = people.get(site);
      await eventually('the token is good again', async () => (await member.bearer(me)).status === 200, 30_000);
      await answered(await member.page(me));
      await member.refresh();
      await answered(await member.bearer(me));
      if (lacks.revocation) return;
      const { refresh_token: token } = gone.tokens;
      await eventually('the provider hears of the revocation', async () => !(await provider.knows(token, 'refresh token')), 60_000);
    }, ', when it is back');
  });
}
