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
};

/** The claims of one person, or undefined. */
export function person(sub) {
  return Object.hasOwn(people, sub) ? { sub, ...people[sub] } : undefined;
}
