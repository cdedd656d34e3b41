// The one table that every front proxy passes.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe } from 'node:test';

import { cookies } from './table/cookies.js';
import { credentials } from './table/credentials.js';
import { identity } from './table/identity.js';
import { outage } from './table/outage.js';
import { paths } from './table/paths.js';
import { transport } from './table/transport.js';
import { program, startSite } from './site.js';

const IMPOSSIBLE = join(import.meta.dirname, '../.venv/proxies.impossible');

/** Whether `cargo xtask test` found that this machine lets nobody install it. */
const isImpossible = (name) => existsSync(IMPOSSIBLE) && readFileSync(IMPOSSIBLE, 'utf8').split('\n').includes(name);

/**
 * Runs the table through one front proxy. It is skipped, and says so, where the proxy can't be installed; one that is merely
 * missing, or that does not start, is a failure.
 * @param {{ name: string, needs: string[], prepare: Function, answers?: { gone: number, hanging: number } }} proxy
 *   `needs`: programs, and files by their whole path; `answers`: its own status, other than 503, where the gateway gives none
 */
export function runTable(proxy) {
  const missing = proxy.needs.filter((name) => !program(name));
  const skip = missing.length > 0 && isImpossible(proxy.name) && `skipped: ${proxy.name} cannot be installed on this machine`;
  describe(proxy.name, { skip }, () => {
    const site = { proxy };
    before(async () => {
      if (missing.length > 0) throw new Error(`${missing.join(', ')} missing: cargo xtask test --only proxies installs it`);
      Object.assign(site, await startSite(proxy));
    });
    after(() => site.stop?.());
    for (const part of [credentials, cookies, identity, paths, transport, outage]) part(site);
  });
}
