// A provider changes its keys.

import { answered, refused } from '../../harness/expect.js';
import { eventually } from '../../harness/process.js';
import { loggedIn } from '../sites.js';

const me = '/api/v1/auth/me';

/** The key of a token that was just issued is fetched, if the last fetch is a second old. Other unknown keys wait ten seconds. */
const WITHIN = 8_000;

/** Logs in until a login has a session: until the gateway knows the key that signs. */
const knowsTheKey = (site) =>
  eventually('a login by the new key is good', async () => {
    const member = await loggedIn(site);
    await answered(await member.bearer(me));
    return answered(await member.page(me));
  }, WITHIN);

/** People who are logged in now, one at each site. */
const everybody = async (sites) => new Map(await Promise.all(sites.map(async (site) => [site, await loggedIn(site)])));

export function keys({ row, each }) {
  row('a new key signs, and tokens of the old one stay good', async (t, { provider, sites }) => {
    const before = await everybody(sites);
    await provider.rotateKeys();
    await each(t, async (site) => {
      await knowsTheKey(site);
      await answered(await before.get(site).bearer(me));
    });
  }, 'rotation');

  row('tokens of a removed key are refused', async (t, { provider, sites }) => {
    const before = await everybody(sites);
    await provider.rotateKeys();
    await provider.removeOldKeys();
    await each(t, async (site) => {
      await knowsTheKey(site);
      await refused(await before.get(site).bearer(me));
    });
  }, 'removal');
}
