// Who somebody is, and what follows from it.

import assert from 'node:assert/strict';

import { answered, problem, refused } from '../../harness/expect.js';
import { loggedIn } from '../sites.js';

const ask = async (person, path) => (await person.bearer(`/api/v1/auth/access/${path}`)).status;

export function identity({ everywhere }) {
  everywhere('the layer names the person', async (site) => {
    const member = await loggedIn(site);
    const who = await answered(await member.bearer('/api/v1/auth/me'));
    assert.equal(who.verification_source, site.layer);
    assert.equal(who.email, 'member@example.test');
    const verified = await member.bearer('/auth/verify');
    assert.equal(verified.status, 200);
    assert.equal(verified.headers.get('remote-user'), who.user_id);
    assert.equal(verified.headers.get('x-auth-source'), site.layer);
  });

  everywhere('roles decide', async (site) => {
    const [administrator, member] = [await loggedIn(site, 'administrator'), await loggedIn(site, 'member')];
    assert.deepEqual([await ask(administrator, 'admin'), await ask(member, 'admin')], [200, 403]);
    await problem(await member.bearer('/auth/verify?role=admin'), 403);
    assert.equal((await member.bearer('/auth/verify?role=member')).status, 200);
  }, 'roles');

  everywhere('groups decide', async (site) => {
    const member = await loggedIn(site, 'member');
    assert.deepEqual([await ask(member, 'groups/research'), await ask(member, 'groups/operators')], [200, 403]);
  }, 'groups');

  everywhere('an ID token and a refresh token are no access tokens', async (site) => {
    const member = await loggedIn(site);
    for (const token of [member.tokens.id_token, member.tokens.refresh_token]) {
      await refused(await member.bearer('/api/v1/auth/me', { token }));
    }
  });
}
