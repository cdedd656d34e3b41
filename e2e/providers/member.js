// Somebody who logs in at a real provider through its own pages, with openid-client as the application.

import * as oauth from 'openid-client';

import { Person } from '../harness/person.js';
import { goThrough } from './pages.js';

const CLIENT_AUTH = {
  client_secret_basic: oauth.ClientSecretBasic,
  client_secret_post: oauth.ClientSecretPost,
};

/** Where a gateway relays what an application asks of the provider. */
const relayed = (origin) => ({
  authorization_endpoint: `${origin}/oauth/authorize`,
  token_endpoint: `${origin}/oauth/token`,
  userinfo_endpoint: `${origin}/oauth/userinfo`,
  revocation_endpoint: `${origin}/oauth/revoke`,
  introspection_endpoint: `${origin}/oauth/introspect`,
});

/** openid-client as one application: with the provider's own metadata, and the endpoints of a gateway if there is one. */
function application(provider, client, origin) {
  const metadata = { ...provider.metadata, ...(origin ? relayed(origin) : {}) };
  const auth = CLIENT_AUTH[client.token_endpoint_auth_method ?? 'client_secret_basic'](client.client_secret);
  const config = new oauth.Configuration(metadata, client.client_id, { id_token_signed_response_alg: provider.algorithm }, auth);
  oauth.allowInsecureRequests(config);
  oauth.enableNonRepudiationChecks(config);
  return config;
}

/** A person in front of one gateway, or at the provider itself if there is no gateway. */
export class Member extends Person {
  /** @param {{ provider: object, gateway?: { origin: string }, client?: object }} where */
  constructor({ provider, gateway, client = provider.client }, name = 'member') {
    super({ idp: provider, gateway: gateway ?? { origin: provider.issuer } }, name, application(provider, client, gateway?.origin));
    this.provider = provider;
  }

  beginLogin(changes = {}) {
    const { redirectUri, scope, parameters } = this.provider;
    return super.beginLogin({ redirect_uri: redirectUri, scope, ...parameters, ...changes });
  }

  async authorize() {
    const { url, checks } = await this.beginLogin();
    const callback = await goThrough(this.browser, url, this.provider.redirectUri, this.provider.fill(this.name));
    return { callback, checks };
  }
}
