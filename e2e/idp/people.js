// The people who can log in, by the name given in `login_hint`.

const people = {
  administrator: {
    name: 'Administrator',
    email: 'administrator@example.test',
    roles: ['admin'],
    permissions: ['users:write'],
    groups: ['operators'],
    workspaces: ['ws-1', 'ws-2'],
  },
  member: {
    name: 'Member, of a Group',
    email: 'member@example.test',
    roles: ['member'],
    permissions: [],
    groups: ['research'],
    workspaces: ['ws-1'],
  },
  plain: {
    name: 'Plain User',
    email: 'plain@example.test',
    roles: [],
    permissions: [],
    groups: [],
    workspaces: [],
  },
  // What lies outside ASCII.
  minjun: {
    name: '김민준',
    email: 'minjun@example.test',
    roles: ['연구원'],
    permissions: [],
    groups: ['연구팀', '서울, 강남'],
    workspaces: [],
  },
  // JWTs of about 8 KiB and just under 16 KiB.
  crowded: memberOfMany(118),
  packed: memberOfMany(244),
};

/** Somebody in so many groups that the token is as long as that. */
function memberOfMany(count) {
  const groups = Array.from({ length: count }, (_, i) => `group-${String(i).padStart(4, '0')}-${'of-an-organisation-with-long-names'.slice(0, 38)}`);
  return { name: 'Member of Many', email: 'many@example.test', roles: ['member'], permissions: [], groups, workspaces: [] };
}

/** The claims of one person, or undefined. */
export function person(sub) {
  return Object.hasOwn(people, sub) ? { sub, ...people[sub] } : undefined;
}
