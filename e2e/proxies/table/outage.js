// Bad days: nobody knows. Never a yes, never a 401, and no cookie is lost; then all is well again.

import { it } from 'node:test';

import { eventually } from '../../harness/process.js';
import { passed, unknown } from './expect.js';

export function outage(site) {
  /** While it lasts nothing is known of anybody; afterwards it is. */
  const during = async (begins, ends) => {
    const { member } = site.people;
    passed(await site.ask('/page', { as: member }));
    await begins();
    try {
      unknown(await site.ask('/page', { as: member }));
      unknown(await site.ask('/page', { cookie: member.cookie }));
      unknown(await site.ask('/admin/', { as: site.people.administrator }));
      unknown(await site.ask('/page', { as: member, headers: [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate']] }));
      passed(await site.ask('/public/page'));
    } finally {
      await ends();
    }
    await eventually('all is well again', async () => (await site.ask('/page', { as: member })).status === 200, 30_000);
    passed(await site.ask('/page', { cookie: member.cookie }));
  };

  it('the gateway is down', () => during(() => site.tap.stop(), () => site.tap.start()));

  it('the gateway dies while it is asked', () => during(() => (site.tap.drops = true), () => (site.tap.drops = false)));

  it('the gateway hangs', { timeout: 60_000 }, async () => {
    site.tap.hangs = true;
    try {
      unknown(await site.ask('/page', { as: site.people.member }));
    } finally {
      site.tap.release();
    }
    await eventually('all is well again', async () => (await site.ask('/page', { as: site.people.member })).status === 200);
  });

  it('the store is down', () => during(
    async () => {
      await site.redis.stop();
      // An instance may go on for one lease from what it knows.
      await eventually('the gateway notices', async () => (await site.ask('/page', { as: site.people.member })).status !== 200);
    },
    () => site.redis.start(),
  ));
}
