// Somebody at a browser, whose application talks to the gateway through openid-client.

import * as oauth from 'openid-client';

import { REDIRECT_URI } from '../idp/provider.js';
import { Browser } from './browser.js';

export const COOKIE = 'maxlab_session';
export const SCOPE = 'openid profile email offline_access';

const CLIENT_AUTH = {
  client_secret_basic: (client) => oauth.ClientSecretBasic(client.client_secret),
  client_secret_post: (client) => oauth.ClientSecretPost(client.client_secret),
  none: () => oauth.None(),
};

/** The header by which a client proves itself (RFC 6749 §2.3.1). */
export function basic({ client_id, client_secret }) {
  return { authorization: `Basic ${btoa(`${client_id}:${client_secret}`)}` };
}

/** The client's view: the authorization server's issuer and keys, and the gateway's endpoints. */
function relyingParty(idp, origin) {
  const at = (path) => `${origin}${path}`;
  const { client_id, token_endpoint_auth_method } = idp.client;
  const config = new oauth.Configuration(
    {
      issuer: idp.issuer,
      jwks_uri: `${idp.issuer}/.well-known/jwks.json`,
      authorization_endpoint: at('/oauth/authorize'),
      token_endpoint: at('/oauth/token'),
      userinfo_endpoint: at('/oauth/userinfo'),
      revocation_endpoint: at('/oauth/revoke'),
      introspection_endpoint: at('/oauth/introspect'),
      authorization_response_iss_parameter_supported: true,
      id_token_signing_alg_values_supported: ['ES256'],
    },
    client_id,
    { id_token_signed_response_alg: 'ES256' },
    CLIENT_AUTH[token_endpoint_auth_method](idp.client),
  );
  oauth.allowInsecureRequests(config);
  oauth.enableNonRepudiationChecks(config);
  return config;
}

/** A person in front of one gateway. Every person has a browser of their own. */
export class Person {
  constructor({ idp, gateway }, name = 'member', config = relyingParty(idp, gateway.origin)) {
    Object.assign(this, { idp, name, origin: gateway.origin, browser: new Browser(), config });
    // The last answer of the token endpoint, whose headers openid-client keeps to itself.
    this.config[oauth.customFetch] = async (address, options) => {
      const answer = await this.browser.fetch(address, options);
      if (new URL(address).pathname === '/oauth/token') this.answer = answer;
      return answer;
    };
  }

  /** The address to begin a login at, and what the client must remember of it. */
  async beginLogin(changes = {}) {
    const pkceCodeVerifier = oauth.randomPKCECodeVerifier();
    const checks = { pkceCodeVerifier, expectedState: oauth.randomState(), expectedNonce: oauth.randomNonce() };
    const url = oauth.buildAuthorizationUrl(this.config, {
      redirect_uri: REDIRECT_URI,
      scope: SCOPE,
      state: checks.expectedState,
      nonce: checks.expectedNonce,
      code_challenge: await oauth.calculatePKCECodeChallenge(pkceCodeVerifier),
      code_challenge_method: 'S256',
      login_hint: this.name,
      ...changes,
    });
    return { url, checks };
  }

  /** Begins a login and goes through the authorization server to the address that carries the code. */
  async authorize() {
    const { url, checks } = await this.beginLogin();
    return { callback: await this.browser.navigate(url, REDIRECT_URI), checks };
  }

  /** A whole login, every check of openid-client included. */
  async login() {
    const { callback, checks } = await this.authorize();
    this.tokens = await oauth.authorizationCodeGrant(this.config, callback, checks);
    this.handle = this.answer?.headers.get('x-session-id');
    return this;
  }

  async refresh(token = this.tokens.refresh_token) {
    this.tokens = await oauth.refreshTokenGrant(this.config, token);
    return this.tokens;
  }

  revoke(token, hint) {
    return oauth.tokenRevocation(this.config, token, hint ? { token_type_hint: hint } : {});
  }

  /** A request with the access token and no cookie, as from a machine. */
  bearer(path, { token = this.tokens.access_token, origin = this.origin, headers = {}, ...options } = {}) {
    return fetch(`${origin}${path}`, { ...options, headers: { ...headers, authorization: `Bearer ${token}` }, redirect: 'manual' });
  }

  /** A request with the session cookie, as from a page. */
  page(path, options = {}) {
    return this.browser.fetch(`${this.origin}${path}`, options);
  }

  /** The value of the session cookie, or undefined. */
  get cookie() {
    return this.browser.cookie(this.origin, COOKIE);
  }
}

/** A person who has logged in. */
export function loggedIn(stack, name) {
  return new Person(stack, name).login();
}
