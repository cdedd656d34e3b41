// A real browser: Debian's Chromium, or the one that CHROMIUM names.

import { existsSync } from 'node:fs';

import { chromium } from 'playwright-core';

const CANDIDATES = [process.env.CHROMIUM, '/usr/bin/chromium', '/usr/bin/chromium-browser', '/usr/bin/google-chrome'];

/** Starts a browser. `watch(context)` returns what its pages complained about: scripts, policies, missing files. */
export async function startChromium() {
  const executablePath = CANDIDATES.find((path) => path && existsSync(path));
  if (!executablePath) throw new Error('no Chromium: apt-get install chromium, or set CHROMIUM');
  const browser = await chromium.launch({ executablePath, args: ['--no-sandbox'] });
  return {
    /** A person's browser: cookies of its own. */
    window: async (options = {}) => {
      const context = await browser.newContext({ locale: 'en-US', ...options });
      context.setDefaultTimeout(15_000);
      const complaints = [];
      context.on('console', (message) => {
        if (message.type() === 'error') complaints.push(message.text());
      });
      context.on('weberror', (fault) => complaints.push(String(fault.error())));
      return { context, complaints, tab: () => context.newPage() };
    },
    stop: () => browser.close(),
  };
}
