// The one table that the gateway passes before every provider.

import { after, before, describe, it } from 'node:test';

import { impossible } from './installed.js';
import { startSites } from './sites.js';
import { identity } from './table/identity.js';
import { keys } from './table/keys.js';
import { login } from './table/login.js';
import { outage } from './table/outage.js';
import { revocation } from './table/revocation.js';
import { strangers } from './table/strangers.js';

/**
 * Runs the table before one provider. It is skipped, with the reason, where the provider cannot be had; one that is merely missing, or
 * that does not start, is a failure.
 * @param {{ name: string, needs?: string, settings: string, layers: string[], lacks?: Record<string, string>, pending?: string, start: Function }} kind
 *   `pending`: what the gateway has not yet; `needs`: its name in the list of what could not be had; `settings`: its name in docs/PROVIDERS.md; `lacks`: what it has not, and why
 */
export function runTable(kind) {
  const why = kind.pending ?? (kind.needs && impossible(kind.needs));
  describe(kind.name, { skip: why && `skipped: ${why}` }, () => {
    const running = { sites: [] };
    before(async () => Object.assign(running, await startSites(kind)));
    after(() => running.stop?.());

    /** Runs a check at every site at the same time, each as a test of its own. */
    const each = (t, check, when = '') => Promise.all(running.sites.map((site) => t.test(`${site.name}${when}`, () => check(site))));
    /** A row: `lacking` names what of the provider it needs. */
    const row = (name, check, lacking) => {
      const skip = lacking && kind.lacks?.[lacking] && `skipped: ${kind.lacks[lacking]}`;
      it(name, { skip, concurrency: true }, (t) => check(t, running));
    };
    const table = { row, each, lacks: kind.lacks ?? {}, everywhere: (name, check, lacking) => row(name, (t) => each(t, check), lacking) };
    for (const part of [login, identity, revocation, strangers, keys, outage]) part(table);
  });
}
