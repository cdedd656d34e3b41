// A login and consent application for Ory Hydra, as small as it can be: `node login.js`. It knows two people, and is a sample: yours knows
// your people. Addresses by environment variables: PORT (3001), and HYDRA_ADMIN (http://localhost:4445).

import { createServer } from 'node:http';

const PASSWORD = 'a-password-for-tests-only';
const people = {
  administrator: { email: 'administrator@example.test', name: 'Ada Administrator', roles: ['admin', 'member'], groups: ['operators'] },
  member: { email: 'member@example.test', name: 'Mia Member', roles: ['member'], groups: ['research'] },
};

/** Asks Hydra about a request (`login` or `consent`), or answers it. */
async function hydra(admin, kind, challenge, answer) {
  const address = `${admin}/admin/oauth2/auth/requests/${kind}${answer ? '/accept' : ''}?${kind}_challenge=${encodeURIComponent(challenge)}`;
  const body = answer && { method: 'PUT', headers: { 'content-type': 'application/json' }, body: JSON.stringify(answer) };
  const response = await fetch(address, body);
  if (!response.ok) throw new Error(`Hydra answered ${response.status}`);
  return response.json();
}

const escaped = (text) => text.replaceAll(/[&<>"']/g, (one) => `&#${one.charCodeAt(0)};`);

const page = (challenge) => `<!doctype html><title>Log in</title>
<form method="post" action="/login">
<input type="hidden" name="challenge" value="${escaped(challenge)}">
<label>Name <input name="username" autofocus></label>
<label>Password <input type="password" name="password"></label>
<button>Log in</button>
</form>`;

async function bodyOf(request) {
  let text = '';
  for await (const part of request.setEncoding('utf8')) {
    text += part;
    if (text.length > 16_384) throw new Error('too long');
  }
  return new URLSearchParams(text);
}

/** The address that Hydra wants the browser to go to after a login, or undefined if the password is wrong. */
async function logIn(admin, form) {
  const name = form.get('username') ?? '';
  if (!Object.hasOwn(people, name) || form.get('password') !== PASSWORD) return undefined;
  return (await hydra(admin, 'login', form.get('challenge') ?? '', { subject: name })).redirect_to;
}

/** Grants what is asked, for the audiences of the client, and tells Hydra who this is: for userinfo and for access tokens. */
async function consent(admin, challenge) {
  const asked = await hydra(admin, 'consent', challenge);
  const claims = { ...people[asked.subject], email_verified: true };
  const answer = {
    grant_scope: asked.requested_scope,
    grant_access_token_audience: asked.client.audience,
    session: { access_token: claims, id_token: claims },
  };
  return (await hydra(admin, 'consent', challenge, answer)).redirect_to;
}

async function answer(admin, request, response) {
  const { pathname, searchParams } = new URL(request.url, 'http://localhost');
  const html = (status, text) => response.writeHead(status, { 'content-type': 'text/html; charset=utf-8' }).end(text);
  const goTo = (location) => response.writeHead(302, { location }).end();
  if (pathname === '/login' && request.method === 'GET') html(200, page(searchParams.get('login_challenge') ?? ''));
  else if (pathname === '/login' && request.method === 'POST') {
    const location = await logIn(admin, await bodyOf(request));
    if (location) goTo(location);
    else html(403, 'Name or password is wrong');
  } else if (pathname === '/consent') goTo(await consent(admin, searchParams.get('consent_challenge') ?? ''));
  else html(404, 'Not found');
}

const admin = process.env.HYDRA_ADMIN ?? 'http://localhost:4445';
// Longer than a proxy before it keeps a connection that nobody uses.
const server = createServer({ keepAliveTimeout: 75_000 }, (request, response) => {
  answer(admin, request, response).catch((error) => response.writeHead(502, { 'content-type': 'text/plain' }).end(error.message));
});
server.listen(Number(process.env.PORT ?? 3001), '127.0.0.1');
