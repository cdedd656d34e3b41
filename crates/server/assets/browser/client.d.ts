/** A logged-in person. */
export interface User {
  /** Id of the person at the issuer. */
  user_id: string;
  /** Issuer that vouches for the person. Two issuers' equal ids are two people. */
  issuer: string;
  /** Id of the provider in the gateway's settings. */
  provider: string;
  email: string | null;
  name: string | null;
  /** URL of a picture. */
  avatar: string | null;
  roles: string[];
  permissions: string[];
  groups: string[];
  workspaces: string[];
  /** How the person logged in (OpenID Connect Core §2, `acr`). */
  acr: string | null;
  /** When the person last proved who they are, in seconds since 1970. */
  auth_time: number | null;
  /** Seconds until the session ends in any case. */
  expires_in: number;
  /** Seconds until the session ends if it is not used. */
  idle_in: number;
  /** Address of the page that asks whether to log out. */
  logout_url: string;
}

export interface LoginOptions {
  /** Where to come back to: this origin, or one of LOGIN_RETURN_ORIGINS. Default: this page. */
  returnTo?: string | URL;
  /** Id of a provider. Without it, a person chooses if there are several. */
  provider?: string;
  prompt?: 'none' | 'login' | 'consent' | 'select_account';
  /** Greatest age of the login in seconds. */
  maxAge?: number;
  /** Wanted assurance of the login. */
  acr?: string;
  loginHint?: string;
  /** Languages for the provider's pages, for example "ko en". */
  locales?: string;
}

export interface LogoutOptions {
  /** Ends all sessions of the person. */
  everywhere?: boolean;
  returnTo?: string | URL;
  /** `false`: stay on this page, and return the result. */
  navigate?: boolean;
  signal?: AbortSignal;
}

export interface Receipt {
  target: 'here' | 'other_sessions' | 'provider' | 'tokens';
  result: 'done' | 'pending' | 'failed' | 'not_supported';
}

export interface LogoutResult {
  status: 'success';
  /** The provider's logout, to be opened as a page; `null` if it has none. */
  logout_url: string | null;
  receipts: Receipt[];
}

export type SessionEvent = { state: 'active' } | { state: 'ended'; reason: string };

/** Failure of the gateway. It says nothing about the session. */
export class AuthError extends Error {
  readonly status: number;
  /** Code of docs/ERRORS.md. */
  readonly code?: string;
  /** Seconds after which it may be tried again. */
  readonly retryAfter?: number;
  /** Id under which the gateway's log tells about it. */
  readonly requestId?: string;
}

/** The session has ended, and the browser is on its way to the login. */
export class LoginRequired extends Error {
  readonly loginUrl: string;
}

export function user(options?: { signal?: AbortSignal }): Promise<User | null>;
export function login(options?: LoginOptions): Promise<never>;
export function loginUrl(options?: LoginOptions): string;
export function logout(options: LogoutOptions & { navigate: false }): Promise<LogoutResult>;
export function logout(options?: LogoutOptions): Promise<never>;
export function events(
  listener: (event: SessionEvent) => void,
  options?: { signal?: AbortSignal },
): () => void;
export function fetch(input: RequestInfo | URL, init?: RequestInit): Promise<Response>;
