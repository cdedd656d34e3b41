// Discovery, code with PKCE, and refresh tokens.

import assert from 'node:assert/strict';

import * as oauth from 'openid-client';

import { answered } from '../../harness/expect.js';
import { Member } from '../member.js';
import { loggedIn } from '../sites.js';

const me = '/api/v1/auth/me';

export function login({ everywhere }) {
  everywhere('the login page is found by discovery', async (site) => {
    const { url } = await new Member(site).beginLogin();
    const response = await fetch(url, { redirect: 'manual' });
    assert.equal(response.status, 302, await response.text());
    const page = new URL(response.headers.get('location'));
    assert.equal(`${page.origin}${page.pathname}`, site.provider.metadata.authorization_endpoint);
    assert.equal(page.searchParams.get('code_challenge_method'), 'S256');
  });

  everywhere('a code with its verifier becomes tokens and a session', async (site) => {
    // openid-client checks the signature, issuer, audience and nonce of the ID token.
    const member = await loggedIn(site);
    assert.ok(member.cookie, 'no session cookie');
    const [bearer, cookie] = [await answered(await member.bearer(me)), await answered(await member.page(me))];
    assert.equal(bearer.user_id, member.tokens.claims().sub);
    assert.equal(cookie.user_id, bearer.user_id);
  });

  everywhere('a code with another verifier, or a second time, becomes nothing', async (site) => {
    const member = new Member(site);
    const { callback, checks } = await member.authorize();
    const stolen = { ...checks, pkceCodeVerifier: oauth.randomPKCECodeVerifier() };
    await assert.rejects(oauth.authorizationCodeGrant(member.config, callback, stolen), { error: 'invalid_grant' });
    assert.equal(member.cookie, undefined);
    const again = new Member(site);
    const good = await again.authorize();
    await oauth.authorizationCodeGrant(again.config, good.callback, good.checks);
    await assert.rejects(oauth.authorizationCodeGrant(again.config, good.callback, good.checks), { error: 'invalid_grant' });
  });

  everywhere('a refresh token is rotated, and a used one gives nothing new', async (site) => {
    const member = await loggedIn(site);
    const first = member.tokens;
    await member.refresh();
    assert.notEqual(member.tokens.refresh_token, first.refresh_token);
    assert.notEqual(member.tokens.access_token, first.access_token);
    await answered(await member.bearer(me));
    await answered(await member.page(me));
    const again = await oauth.refreshTokenGrant(member.config, first.refresh_token).catch((error) => error);
    // Refused, or the answer that a second tab at the same moment would get.
    if (again.error) assert.equal(again.error, 'invalid_grant');
    else assert.equal(again.refresh_token, member.tokens.refresh_token);
  });
}
