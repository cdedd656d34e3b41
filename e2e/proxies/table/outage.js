// Bad days: nobody knows. Never a yes, never a 401, and no cookie is lost; then all is well again.

import assert from 'node:assert/strict';
import { it } from 'node:test';

import { eventually } from '../../harness/process.js';
import { passed, unknown } from './expect.js';

export function outage(site) {
  const { gone = 503, hanging = 503 } = site.proxy.answers ?? {};

  /** While it lasts nothing is known of anybody, and this is the answer; afterwards all is well. */
  const during = async (status, begins, ends) => {
    const { member } = site.people;
    passed(await site.ask('/page', { as: member }));
    await begins();
    try {
      unknown(await site.ask('/page', { as: member }), status);
      unknown(await site.ask('/page', { cookie: member.cookie }), status);
      unknown(await site.ask('/admin/', { as: site.people.administrator }), status);
      unknown(await site.ask('/page', { as: member, headers: [['Accept', 'text/html'], ['Sec-Fetch-Mode', 'navigate']] }), status);
      passed(await site.ask('/public/page'));
    } finally {
      await ends();
    }
    await eventually('all is well again', async () => (await site.ask('/page', { as: member })).status === 200, 30_000);
    passed(await site.ask('/page', { cookie: member.cookie }));
  };

  it('the gateway is down', () => during(gone, () => site.tap.stop(), () => site.tap.start()));

  it('the gateway dies while it is asked', () => during(gone, () => (site.tap.drops = true), () => (site.tap.drops = false)));

  it('the gateway hangs', { timeout: 60_000 }, async () => {
    site.tap.hangs = true;
    try {
      unknown(await site.ask('/page', { as: site.people.member }), hanging);
    } finally {
      site.tap.release();
    }
    await eventually('all is well again', async () => (await site.ask('/page', { as: site.people.member })).status === 200);
  });

  it('the store is down', () => during(
    503,
    async () => {
      await site.redis.stop();
      // An instance may go on for one lease from what it knows.
      await eventually('the gateway notices', async () => {
        const { status } = await site.ask('/page', { as: site.people.member });
        assert.notEqual(status, 401);
        return status !== 200;
      }, 20_000);
    },
    () => site.redis.start(),
  ));
}
