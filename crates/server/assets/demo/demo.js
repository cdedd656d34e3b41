// The demonstration of `maxlab-auth dev`: who am I, log in, log out, and notice at once that the session has ended.
import { AuthError, LoginRequired, events, fetch, login, logout, user } from '/auth/client.js';

const $ = (id) => document.getElementById(id);

/** Returns a time in words. */
const duration = (seconds) => (seconds < 7_200 ? `${Math.round(seconds / 60)} minutes` : `${Math.round(seconds / 3_600)} hours`);

/** Shows one of the states active, anonymous, ended and unknown. */
function show(state, text, person = null) {
  $('who').dataset.state = state;
  $('who').textContent = text;
  $('log-in').hidden = state === 'active' || state === 'unknown';
  $('log-out').hidden = state !== 'active';
  $('log-out-everywhere').hidden = state !== 'active';
  // What only a person may see who is logged in.
  if ($('protected')) $('protected').hidden = state === 'anonymous' || state === 'ended';
  const rows = person === null ? [] : [
    ['User', person.user_id],
    ['Issuer', person.issuer],
    ['Email', person.email],
    ['Roles', person.roles.join(', ')],
    ['Session ends', `in ${duration(person.expires_in)}, or after ${duration(person.idle_in)} without use`],
  ];
  $('person').hidden = rows.length === 0;
  $('person').replaceChildren(...rows.filter(([, value]) => value).flatMap(([name, value]) => {
    const [term, description] = [document.createElement('dt'), document.createElement('dd')];
    term.textContent = name;
    description.textContent = value;
    return [term, description];
  }));
}

function showEnd({ reason }) {
  const time = new Date().toLocaleTimeString();
  show('ended', `Your session has ended (${reason}). This page noticed it by itself at ${time}.`);
}

async function showNotes() {
  if (!$('notes')) return;
  const response = await fetch('/demo/notes');
  $('notes').replaceChildren(...(await response.json()).map((note) => {
    const item = document.createElement('li');
    item.textContent = note;
    return item;
  }));
}

function showFault(error) {
  // The browser is on its way to the login.
  if (error instanceof LoginRequired) return;
  // An outage is no logout: the page stays as it is, and says so.
  const detail = error instanceof AuthError ? error.message : 'the gateway cannot be reached';
  show('unknown', `It is not known whether you are logged in: ${detail}`);
}

$('log-in').onclick = () => login();
$('log-out').onclick = () => logout().catch(showFault);
$('log-out-everywhere').onclick = () => logout({ everywhere: true }).catch(showFault);

// A page that the browser kept may be of a session that has ended since.
addEventListener('pageshow', (event) => { if (event.persisted) location.reload(); });

try {
  const person = await user();
  if (person === null) {
    show('anonymous', 'You are not logged in.');
  } else {
    show('active', `You are logged in as ${person.name ?? person.email ?? person.user_id}.`, person);
    events((event) => { if (event.state === 'ended') showEnd(event); });
    await showNotes();
  }
} catch (error) {
  showFault(error);
}
