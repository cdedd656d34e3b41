// Starts one authorization server by hand: `node idp/main.js [jwt|opaque] [port]`.

import { startProvider } from './provider.js';

const [accessTokens = 'jwt', port = '0'] = process.argv.slice(2);
const { issuer, client } = await startProvider({ accessTokens, port: Number(port) });
console.log(JSON.stringify({ issuer, client_id: client.client_id, client_secret: client.client_secret, redirect_uri: client.redirect_uris[0] }));
