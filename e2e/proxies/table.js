// The one table that every front proxy passes.

import { after, before, describe } from 'node:test';

import { credentials } from './table/credentials.js';
import { identity } from './table/identity.js';
import { outage } from './table/outage.js';
import { paths } from './table/paths.js';
import { transport } from './table/transport.js';
import { program, startSite } from './site.js';

/**
 * Runs the table through one front proxy. Where its program could not be installed the table is skipped, and says so;
 * a proxy that is there and does not start is a failure.
 * @param {{ name: string, needs: string, prepare: Function, answers?: object }} proxy `answers`: where it differs from the others
 */
export function runTable(proxy) {
  const skip = !program(proxy.needs) && `${proxy.needs} is not installed on this machine`;
  describe(proxy.name, { skip }, () => {
    const site = { proxy };
    before(async () => Object.assign(site, await startSite(proxy)));
    after(() => site.stop?.());
    for (const part of [credentials, identity, paths, transport, outage]) part(site);
  });
}
