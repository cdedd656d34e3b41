// As whom: the gateway's word and nobody else's, complete, in UTF-8, and never another person's.

import assert from 'node:assert/strict';
import { Agent } from 'node:http';
import { it } from 'node:test';

import { IDENTITY } from '../application.js';
import { sendBytes } from '../client.js';
import { passed, refused, refusedSomehow } from './expect.js';

/** A client's attempts to say who it is. */
const SPOOFS = {
  'the name itself': [['Remote-User', 'administrator']],
  'lower case': [['remote-user', 'administrator'], ['remote-roles', 'admin']],
  'upper case': [['REMOTE-USER', 'administrator'], ['X-AUTH-SOURCE', 'local_jwt']],
  'an underscore': [['Remote_User', 'administrator'], ['remote_roles', 'admin']],
  'underscores, in part': [['X_Auth_Source', 'spoof'], ['X-Auth_Source', 'spoof'], ['X_Auth-Source', 'spoof']],
  'a point': [['Remote.User', 'administrator'], ['X.Auth.Source', 'spoof']],
  'other token characters': [['Remote~User', 'administrator'], ['Remote!Groups', 'admin']],
  'twice': [['Remote-User', 'administrator'], ['Remote-User', 'administrator']],
  'twice, in two spellings': [['Remote-User', 'administrator'], ['Remote_User', 'administrator'], ['remote-user', 'administrator']],
  'an empty value': [['Remote-User', ''], ['Remote-Roles', '']],
  'an empty value and another': [['Remote-Roles', ''], ['Remote-Roles', 'admin']],
  'a list': [['Remote-Groups', 'operators, admin'], ['Remote-Groups', 'research']],
  'named in Connection': [['Connection', 'close, Remote-User, Remote-Roles, X-Auth-Source']],
  'named in Connection, and said': [['Connection', 'Remote-User, remote-email'], ['Remote-User', 'administrator'], ['Remote-Email', 'x@example.test']],
  'named in Connection, for the question': [['Connection', 'close, X-Forwarded-Uri, X-Forwarded-Method, X-Forwarded-Host']],
  'named in two Connection headers': [['Connection', 'close'], ['Connection', 'Remote-Groups'], ['Remote-Groups', 'operators']],
  'the signed one': [['X-Auth-Identity', 'a.b.c'], ['X_Auth_Identity', 'a.b.c'], ['x-auth-identity', '']],
  'all of them': IDENTITY.map((name) => [name, 'spoof']),
};

const MEMBER = {
  'remote-user': ['member'],
  'remote-name': ['Member, of a Group'],
  'remote-email': ['member@example.test'],
  'remote-groups': ['research'],
  'remote-roles': ['member'],
  'x-auth-source': ['local_jwt'],
  'remote-workspaces': ['ws-1'],
};
const NOBODY = Object.fromEntries(IDENTITY.map((name) => [name, []]));

/** On a page for everybody nobody is said to be anybody: the headers are empty or absent. */
function isNobody(seen) {
  const said = Object.fromEntries(Object.entries(seen.identity).map(([name, values]) => [name, values.filter((value) => value !== '')]));
  assert.deepEqual(said, NOBODY);
  assert.deepEqual(seen.signed, []);
}

export function identity(site) {
  it('is always complete, and empty where there is none', async () => {
    assert.deepEqual(passed(await site.ask('/page', { as: site.people.member })).identity, MEMBER);
    const plain = passed(await site.ask('/page', { as: site.people.plain })).identity;
    assert.deepEqual([plain['remote-groups'], plain['remote-roles']], [[''], ['']]);
    assert.deepEqual(plain['remote-user'], ['plain']);
    const administrator = passed(await site.ask('/admin/', { as: site.people.administrator })).identity;
    for (const name of IDENTITY) assert.equal(administrator[name].length, 1, name);
    isNobody(passed(await site.ask('/public/', { as: site.people.member })));
  });

  it('keeps UTF-8', async () => {
    const { identity: seen } = passed(await site.ask('/page', { as: site.people.minjun }));
    assert.deepEqual(seen['remote-name'], ['김민준']);
    assert.deepEqual(seen['remote-groups'], ['연구팀,서울%2C 강남']);
    assert.deepEqual(seen['remote-roles'], ['연구원']);
  });

  it('is signed where the gateway signs it', async () => {
    site.tap.adds = ['X-Auth-Identity', 'header.claims.signature'];
    try {
      const seen = passed(await site.ask('/page', { as: site.people.member, headers: [['X-Auth-Identity', 'a.b.c']] }));
      assert.deepEqual(seen.signed, ['header.claims.signature']);
    } finally {
      site.tap.adds = [];
    }
  });

  for (const [how, headers] of Object.entries(SPOOFS)) {
    it(`is never the client's own: ${how}`, async () => {
      const named = await site.ask('/page', { as: site.people.member, headers });
      if (named.status === 200) assert.deepEqual([passed(named).identity, named.reached[0].signed], [MEMBER, []]);
      else refused(named, 400);
      const cookie = await site.ask('/page', { cookie: site.people.member.cookie, headers });
      if (cookie.status === 200) assert.deepEqual({ ...passed(cookie).identity, 'x-auth-source': MEMBER['x-auth-source'] }, MEMBER);
      else refused(cookie, 400);
      refusedSomehow(await site.ask('/page', { headers }));
      refusedSomehow(await site.ask('/admin/', { as: site.people.member, headers }));
      const open = await site.ask('/public/page', { headers });
      if (open.status === 200) isNobody(passed(open));
      else refused(open, 400);
    });
  }

  for (const [how, headers] of Object.entries({ 'nothing': [], ...SPOOFS })) {
    it(`is nobody's on what the gateway's policy lets everybody do: ${how}`, async () => {
      for (const as of [undefined, 'junk']) {
        const open = await site.ask('/open/page', { as, headers });
        if (open.status === 200) {
          isNobody(passed(open));
          assert.equal(open.asked.length, 1, 'the gateway decides');
        } else {
          assert.notDeepEqual(headers, []);
          refused(open, 400);
        }
      }
      const known = await site.ask('/open/page', { as: site.people.member, headers });
      if (known.status === 200) assert.deepEqual(passed(known).identity, MEMBER);
      else refused(known, 400);
    });
  }

  it('is not to be had by header lines that are none', async () => {
    const token = site.people.member.tokens.access_token;
    for (const line of ['Remote-User : administrator', ' Remote-User: administrator', 'X-Pad: 1\r\n Remote-User: administrator', 'X-Pad: 1\nRemote-User: administrator', 'Remote-User\t: administrator', 'X-Pad: 1\rRemote-User: administrator']) {
      site.application.requests.length = 0;
      const status = await sendBytes(site.port, `GET /page HTTP/1.1\r\nHost: 127.0.0.1:${site.port}\r\nAuthorization: Bearer ${token}\r\n${line}\r\nConnection: close\r\n\r\n`);
      for (const seen of site.application.requests) assert.deepEqual(seen.identity, MEMBER, JSON.stringify(line));
      if (site.application.requests.length === 0) assert.notEqual(status, 200);
    }
  });

  it('is of this request, on one connection with those of others', async () => {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    site.tap.connections = 0;
    for (let round = 0; round < 5; round += 1) {
      for (const name of ['member', 'administrator', 'minjun']) {
        const seen = passed(await site.ask('/page', { as: site.people[name], agent }));
        assert.deepEqual(seen.identity['remote-user'], [name]);
      }
      refusedSomehow(await site.ask('/page', { agent }));
      isNobody(passed(await site.ask('/public/page', { agent })));
    }
    agent.destroy();
    if (!site.proxy.asksOnNewConnections) assert.ok(site.tap.connections <= 4, `${site.tap.connections} connections to the gateway for 20 questions`);
  });
}
