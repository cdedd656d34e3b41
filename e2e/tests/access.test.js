// Who may: guards by role, group and workspace, and what administrators may do.

import assert from 'node:assert/strict';
import { after, before, describe, it } from 'node:test';

import { answered, problem, refused } from '../harness/expect.js';
import { loggedIn } from '../harness/person.js';
import { TOKEN_KINDS, startStack } from '../harness/stack.js';

for (const tokens of TOKEN_KINDS) {
  describe(`access with ${tokens} access tokens`, () => {
    let stack;
    let people;
    before(async () => {
      stack = await startStack({ tokens });
      const names = ['administrator', 'member', 'plain'];
      people = Object.fromEntries(await Promise.all(names.map(async (name) => [name, await loggedIn(stack, name)])));
    });
    after(() => stack?.stop());

    const questions = {
      'the administrators\' page': ['/api/v1/auth/access/admin', ['administrator']],
      'the group "research"': ['/api/v1/auth/access/groups/research', ['member']],
      'a group that only begins the same': ['/api/v1/auth/access/groups/resear', []],
      'the workspace "ws-1"': ['/api/v1/auth/access/workspaces/ws-1', ['administrator', 'member']],
      'a workspace of nobody, which administrators enter all the same': ['/api/v1/auth/access/workspaces/ws-9', ['administrator']],
      'the denylist': ['/api/v1/admin/denylist', ['administrator']],
      'the audit': ['/api/v1/admin/audit', ['administrator']],
    };
    for (const [what, [path, allowed]] of Object.entries(questions)) {
      it(`to ${what} is for ${allowed.join(' and ') || 'nobody'}`, async () => {
        for (const [name, person] of Object.entries(people)) {
          for (const ask of [() => person.bearer(path), () => person.page(path)]) {
            if (allowed.includes(name)) await answered(await ask());
            else await problem(await ask(), 403, 'insufficient_permission');
          }
        }
        await refused(await fetch(stack.gateway.origin + path), 'missing_credential');
      });
    }

    it('an administrator logs somebody out everywhere, and it is written down', async () => {
      const victim = await loggedIn(stack, 'plain');
      const path = '/api/v1/admin/users/plain/logout';
      await problem(await people.member.bearer(path, { method: 'POST' }), 403, 'insufficient_permission');
      await answered(await victim.bearer('/api/v1/auth/me'));
      await answered(await people.administrator.bearer(path, { method: 'POST' }));
      await refused(await victim.bearer('/api/v1/auth/me'));
      await refused(await victim.page('/api/v1/auth/me'));
      const { events } = await answered(await people.administrator.bearer('/api/v1/admin/audit?user_id=plain'));
      assert.ok(events.some((event) => event.kind.includes('login')), JSON.stringify(events));
      assert.ok(events.some((event) => event.actor === 'administrator'), JSON.stringify(events));
    });
  });
}
