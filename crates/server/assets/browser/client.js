// maxlab-auth in the browser: who is logged in, log in, log out, and learn that the session has ended.
// An ES module without dependencies. Types: client.d.ts. Guide: docs/FRONTEND.md.

/** Folder of the gateway's pages, ending in a slash: the folder that this module was loaded from. */
const base = new URL('.', import.meta.url);

/** Methods that change nothing (RFC 9110 §9.2.1). The others prove that a script of this origin sends them. */
const SAFE_METHODS = new Set(['GET', 'HEAD', 'OPTIONS']);

/** Waiting times before the event stream is opened again, in milliseconds. The last one repeats. */
const RECONNECT_DELAYS = [1_000, 2_000, 5_000, 15_000, 30_000];

/** Failure of the gateway itself. It says nothing about the session: an outage is not a logout. */
export class AuthError extends Error {
  constructor(message, { status, code, retryAfter, requestId }) {
    super(message);
    this.name = 'AuthError';
    this.status = status;
    this.code = code;
    this.retryAfter = retryAfter;
    this.requestId = requestId;
  }
}

/** Thrown by `fetch` when the session has ended and the browser is on its way to the login. */
export class LoginRequired extends Error {
  constructor(loginUrl) {
    super('the session has ended; the browser goes to the login');
    this.name = 'LoginRequired';
    this.loginUrl = loginUrl;
  }
}

/** Returns the logged-in person, or `null`. Asking does not prolong the session. */
export async function user({ signal } = {}) {
  const response = await ask('user?anonymous=ok', { signal });
  return response.json();
}

/**
 * Goes to the login, and comes back to `returnTo`: this page with its fragment, unless said otherwise.
 * The page is left, so the promise does not settle.
 */
export function login(options = {}) {
  location.assign(loginUrl(options));
  return new Promise(() => {});
}

/** Returns the address of the login, for a link. */
export function loginUrl({ returnTo = location.href, provider, prompt, maxAge, acr, loginHint, locales } = {}) {
  const url = new URL('login', base);
  const parameters = {
    return_to: new URL(returnTo, location.href).href,
    provider,
    prompt,
    max_age: maxAge,
    acr,
    login_hint: loginHint,
    ui_locales: locales,
  };
  for (const [name, value] of Object.entries(parameters)) {
    if (value !== undefined && value !== null) url.searchParams.set(name, String(value));
  }
  return url.href;
}

/**
 * Ends the session, or with `everywhere` all sessions of the person. When the promise is fulfilled, every
 * instance of the gateway refuses them.
 *
 * Then goes on to the provider's own logout, or to the page that shows what was ended. With
 * `navigate: false` it stays here, and returns the answer with its receipts.
 */
export async function logout({ everywhere = false, returnTo, navigate = true, signal } = {}) {
  const body = { everywhere };
  if (returnTo !== undefined) body.return_to = new URL(returnTo, location.href).href;
  const response = await ask('logout', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', 'X-CSRF': '1' },
    body: JSON.stringify(body),
    signal,
  });
  const result = await response.json();
  if (!navigate) return result;
  location.assign(result.logout_url ?? new URL('logged-out', base).href);
  return new Promise(() => {});
}

/**
 * Calls `listener` with `{ state: 'active' }` once the stream is open, and with `{ state: 'ended', reason }`
 * the moment the session ends, wherever that was done. After that it is silent. Returns a function that
 * stops it.
 */
export function events(listener, { signal } = {}) {
  let source;
  let timer;
  let attempt = 0;
  let stopped = signal?.aborted ?? false;

  const stop = () => {
    stopped = true;
    clearTimeout(timer);
    source?.close();
  };

  const end = (event) => {
    if (stopped) return;
    stop();
    listener(event);
  };

  const reconnect = () => {
    const delay = RECONNECT_DELAYS[Math.min(attempt, RECONNECT_DELAYS.length - 1)];
    attempt += 1;
    timer = setTimeout(open, delay);
  };

  // The browser gives up after a status that is not 200, and does not say which. So the session is asked for:
  // without one it has ended; an outage is waited for.
  const examine = async () => {
    try {
      if ((await user()) === null) end({ state: 'ended', reason: 'unknown' });
      else if (!stopped) reconnect();
    } catch {
      if (!stopped) reconnect();
    }
  };

  const open = () => {
    if (stopped) return;
    source = new EventSource(new URL('events', base));
    source.addEventListener('session', ({ data }) => {
      attempt = 0;
      const event = JSON.parse(data);
      if (event.state === 'ended') end(event);
      else if (!stopped) listener(event);
    });
    source.addEventListener('error', () => {
      if (stopped || source.readyState !== EventSource.CLOSED) return;
      examine();
    });
  };

  signal?.addEventListener('abort', stop, { once: true });
  open();
  return stop;
}

/**
 * The browser's `fetch`, for the application's own interface: unsafe requests of this origin carry the header
 * that proves it. If the session has ended, the browser goes to the login and comes back here, and the call
 * throws `LoginRequired`. A 401 of the application itself is returned as it is.
 */
async function authFetch(input, init) {
  const request = new Request(input, init);
  const own = new URL(request.url).origin === location.origin;
  if (own && !SAFE_METHODS.has(request.method)) request.headers.set('X-CSRF', '1');
  const response = await globalThis.fetch(request);
  if (response.status !== 401 || !own) return response;
  if (!(await hasEnded(response))) return response;
  const url = loginUrl();
  goToLogin(url);
  throw new LoginRequired(url);
}

export { authFetch as fetch };

/** Returns whether a 401 means that nobody is logged in at the gateway. */
async function hasEnded(response) {
  if (response.headers.get('Content-Type')?.startsWith('application/problem+json')) {
    const problem = await response.clone().json().catch(() => ({}));
    if (problem.login_url) return true;
  }
  // A front proxy replaces the gateway's answer by its own, and the application has answers of 401 too.
  try {
    return (await user()) === null;
  } catch {
    return false;
  }
}

let leaving = false;

/** Goes to the login once, also if many requests are refused at the same moment. */
function goToLogin(url) {
  if (leaving) return;
  leaving = true;
  // A page that the browser keeps and shows again may go there again.
  addEventListener('pageshow', () => { leaving = false; }, { once: true });
  location.assign(url);
}

/** Asks the gateway, and turns an answer that is not a success into an `AuthError`. */
async function ask(path, { headers, ...init }) {
  const response = await globalThis.fetch(new URL(path, base), {
    credentials: 'same-origin',
    cache: 'no-store',
    ...init,
    headers: { Accept: 'application/json', ...headers },
  });
  if (response.ok) return response;
  const problem = await response.json().catch(() => ({}));
  const retryAfter = Number(response.headers.get('Retry-After'));
  throw new AuthError(problem.detail ?? `the gateway answered ${response.status}`, {
    status: response.status,
    code: problem.code,
    retryAfter: Number.isFinite(retryAfter) && retryAfter > 0 ? retryAfter : undefined,
    requestId: response.headers.get('X-Request-ID') ?? undefined,
  });
}
