// The application behind: it tells what reached it, and believes every header that it gets.

import { createHash } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';

import { PATIENT } from './listening.js';

/** The headers by which an application behind knows who it is. */
export const IDENTITY = ['remote-user', 'remote-name', 'remote-email', 'remote-groups', 'remote-roles', 'x-auth-source', 'remote-workspaces'];

/** The same, signed, for applications that check it. Unlike the others it is not always there. */
const SIGNED = 'x-auth-identity';

/** As CGI, WSGI and Rack name a header (RFC 3875 §4.1.18), and as the most careless of them do: nothing but letters and digits differs. */
const variable = (name) => name.toLowerCase().replaceAll(/[^a-z0-9]/g, '-');

/** Every value that an application could read as one of the identity headers: `{ 'remote-user': ['…'], … }`, as UTF-8. */
function identities(rawHeaders) {
  const found = Object.fromEntries([...IDENTITY, SIGNED].map((name) => [name, []]));
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const name = variable(rawHeaders[i]);
    if (name in found) found[name].push(Buffer.from(rawHeaders[i + 1], 'latin1').toString('utf8'));
  }
  const { [SIGNED]: signed, ...identity } = found;
  return { identity, signed: signed.filter((value) => value !== '') };
}

/** The values of the Cookie header fields, as bytes in latin1. */
const cookiesOf = (rawHeaders) => rawHeaders.filter((_, i) => i % 2 === 1 && rawHeaders[i - 1].toLowerCase() === 'cookie');

const accept = (key) => createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64');

async function bodyOf(req) {
  const parts = [];
  for await (const part of req) parts.push(part);
  return Buffer.concat(parts).toString('utf8');
}

/** Starts it on a port of its own. */
export async function startApplication() {
  const requests = [];
  let [left, held] = [0, 0];
  const note = (req, body = '') => {
    requests.push({ method: req.method, url: req.url, headers: req.headers, ...identities(req.rawHeaders), cookies: cookiesOf(req.rawHeaders), body });
  };
  const server = createServer(PATIENT, async (req, res) => {
    if (req.url === '/hold') {
      held += 1;
      res.on('close', () => (left += 1));
      return;
    }
    const body = await bodyOf(req).catch(() => undefined);
    if (body === undefined) return;
    note(req, body);
    res.writeHead(200, { 'content-type': 'text/plain', 'x-application': 'reached' });
    res.end('from the application');
  });
  // Says back what it is told, frame by frame, after the handshake of RFC 6455 §4.2.2.
  server.on('upgrade', (req, socket) => {
    note(req);
    socket.write(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${accept(req.headers['sec-websocket-key'])}\r\n\r\n`);
    socket.on('data', (data) => socket.write(data));
    socket.on('error', () => socket.destroy());
    socket.on('end', () => socket.end());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: server.address().port,
    /** What reached it since the list was last emptied. */
    requests,
    /** How many requests to `/hold` came, and how many of them were given up. */
    get held() { return held; },
    get left() { return left; },
    async stop() {
      server.close();
      server.closeAllConnections();
      await once(server, 'close');
    },
  };
}
