// The demonstration of `dev` in a real browser: log in with one click, and notice at once that the session has ended.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'node:test';

import { startChromium } from '../harness/chromium.js';
import { startDev } from '../harness/dev.js';

/** Waits until the page shows this state of the session. */
const inState = (tab, state) => tab.locator(`#who[data-state="${state}"]`).waitFor();

/** Logs in at the demonstration as one of the people of the development authorization server. */
async function logIn(tab, origin, login = 'member') {
  await tab.goto(`${origin}/`);
  await inState(tab, 'anonymous');
  await tab.getByRole('button', { name: 'Log in', exact: true }).click();
  await tab.getByRole('button', { name: `Log in as ${login}` }).click();
  await tab.waitForURL(`${origin}/`);
  await inState(tab, 'active');
}

describe('the demonstration in Chromium', () => {
  let folder, dev, chromium;
  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'maxlab-demo-'));
    dev = await startDev(folder);
    chromium = await startChromium();
  });
  after(async () => {
    await chromium?.stop();
    await dev?.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  it('logs in within ten seconds, and says who it is', async () => {
    const began = Date.now();
    const window = await chromium.window();
    const tab = await window.tab();
    await logIn(tab, dev.origin);
    assert.ok(Date.now() - began < 10_000, `${Date.now() - began} ms`);
    assert.match(await tab.locator('#who').textContent(), /You are logged in as /);
    assert.match(await tab.locator('#person').textContent(), /User/);
    assert.deepEqual(window.complaints, []);
    await window.context.close();
  });

  it('opens the protected page after the login only, and comes back to it', async () => {
    const window = await chromium.window();
    const tab = await window.tab();
    await tab.goto(`${dev.origin}/members`);
    await tab.getByRole('button', { name: 'Log in as member' }).click();
    await tab.waitForURL(`${dev.origin}/members`);
    await inState(tab, 'active');
    await tab.locator('#notes li').nth(2).waitFor();
    await window.context.close();
  });

  it('a logout everywhere in another window ends every tab of this one at once', async () => {
    const here = await chromium.window();
    const [first, second] = [await here.tab(), await here.tab()];
    await logIn(first, dev.origin);
    await second.goto(`${dev.origin}/members`);
    await inState(second, 'active');
    const elsewhere = await chromium.window();
    const other = await elsewhere.tab();
    await logIn(other, dev.origin);
    await other.getByRole('button', { name: 'Log out everywhere' }).click();
    await other.waitForURL(/\/auth\/logged-out/);
    const began = Date.now();
    await Promise.all([inState(first, 'ended'), inState(second, 'ended')]);
    assert.ok(Date.now() - began < 2_000, `${Date.now() - began} ms after the logout`);
    assert.match(await first.locator('#who').textContent(), /\(logout_all\)/);
    assert.equal(await second.locator('#protected').isVisible(), false);
    await first.reload();
    await inState(first, 'anonymous');
    assert.deepEqual([...here.complaints, ...elsewhere.complaints], []);
    await Promise.all([here.context.close(), elsewhere.context.close()]);
  });

  it('a logout by the page without scripts shows receipts, and the back button shows nothing', async () => {
    const window = await chromium.window();
    const tab = await window.tab();
    await logIn(tab, dev.origin);
    await tab.goto(`${dev.origin}/members`);
    await inState(tab, 'active');
    await tab.goto(`${dev.origin}/auth/logout`);
    assert.equal(await tab.locator('main').getAttribute('data-page'), 'logout');
    await tab.getByRole('button', { name: 'Log out here' }).click();
    await tab.locator('main[data-page="logged-out"]').waitFor();
    assert.equal(await tab.locator('[data-target="here"]').getAttribute('data-result'), 'done');
    await tab.goBack();
    await tab.goBack();
    // Not the kept page: the gateway is asked again, and leads to the login.
    await tab.getByRole('button', { name: 'Log in as member' }).waitFor();
    assert.deepEqual(window.complaints, []);
    await window.context.close();
  });

  for (const locale of ['en-US', 'ko-KR']) {
    it(`x22 x24 the pages fit a small window, in ${locale}`, async () => {
      for (const colorScheme of ['light', 'dark']) {
        const window = await chromium.window({ locale, colorScheme, viewport: { width: 320, height: 640 } });
        const tab = await window.tab();
        await tab.goto(`${dev.origin}/auth/logged-out`);
        assert.equal(await tab.locator('html').getAttribute('lang'), locale.slice(0, 2));
        assert.equal(await tab.evaluate(() => document.documentElement.scrollWidth <= innerWidth), true);
        // WCAG 2.2, 2.5.8: targets of at least 24 by 24 pixels.
        const small = await tab.evaluate(() => [...document.querySelectorAll('a, button')]
          .map((target) => target.getBoundingClientRect())
          .filter(({ width, height }) => width < 24 || height < 24).length);
        assert.equal(small, 0);
        // By keyboard: what has the focus shows it.
        await tab.keyboard.press('Tab');
        const outline = await tab.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
        assert.equal(outline, 'solid');
        assert.deepEqual(window.complaints, []);
        await window.context.close();
      }
    });
  }
});
