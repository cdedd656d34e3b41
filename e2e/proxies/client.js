// A client that sends exactly what it is told, however unusual.

import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { request } from 'node:http';
import { connect } from 'node:net';

/**
 * One request on a connection of its own. `headers` is a list of pairs, so that a name may come twice.
 * @returns {Promise<{ status: number, headers: object, cookies: string[], body: string }>}
 */
export async function send(port, { method = 'GET', path = '/', headers = [], body, chunked = false, agent = false } = {}) {
  const framing = chunked ? ['Transfer-Encoding', 'chunked'] : ['Content-Length', String(Buffer.byteLength(body ?? ''))];
  const length = body === undefined ? [] : [framing];
  const flat = [['Host', `127.0.0.1:${port}`], ...length, ...headers].flat();
  const out = request({ host: '127.0.0.1', port, method, path, headers: flat, agent });
  out.end(body);
  const [answer] = await once(out, 'response');
  const parts = [];
  for await (const part of answer) parts.push(part);
  return { status: answer.statusCode, headers: answer.headers, cookies: answer.headers['set-cookie'] ?? [], body: Buffer.concat(parts).toString('utf8') };
}

/** Bytes as they are, on a connection that is closed after them; the status of the answer, or 0 where there is none. */
export async function sendBytes(port, text) {
  const socket = connect(port, '127.0.0.1');
  let heard = '';
  socket.setEncoding('latin1').on('data', (data) => (heard += data)).on('error', () => {});
  socket.setTimeout(1_000, () => socket.destroy());
  socket.write(text, 'latin1');
  await once(socket, 'close');
  return Number(/^HTTP\/1\.[01] (\d{3})/.exec(heard)?.[1] ?? 0);
}

/** A request that is begun, and the way to break its connection off. */
export async function begin(port, path, headers) {
  const socket = connect(port, '127.0.0.1');
  socket.on('error', () => {});
  await once(socket, 'connect');
  const lines = [['Host', `127.0.0.1:${port}`], ...headers].map(([name, value]) => `${name}: ${value}\r\n`).join('');
  socket.write(`GET ${path} HTTP/1.1\r\n${lines}\r\n`, 'latin1');
  return { leave: () => socket.resetAndDestroy() };
}

/** A text frame of a client, masked (RFC 6455 §5.2). */
function frame(text) {
  const [mask, data] = [randomBytes(4), Buffer.from(text)];
  return Buffer.concat([Buffer.from([0x81, 0x80 | data.length]), mask, data.map((byte, i) => byte ^ mask[i % 4])]);
}

/** Opens a websocket and says one thing. `{ status, echoed }`: whether the same frame came back. */
export async function websocket(port, path, headers) {
  const key = randomBytes(16).toString('base64');
  const upgrade = [['Host', `127.0.0.1:${port}`], ['Connection', 'Upgrade'], ['Upgrade', 'websocket'], ['Sec-WebSocket-Key', key], ['Sec-WebSocket-Version', '13']];
  const out = request({ host: '127.0.0.1', port, path, headers: [...upgrade, ...headers].flat(), agent: false });
  out.end();
  const [answer, socket] = await Promise.race([once(out, 'upgrade'), once(out, 'response')]);
  if (answer.statusCode !== 101) {
    answer.resume();
    return { status: answer.statusCode, echoed: false };
  }
  const said = frame('hello');
  socket.write(said);
  let heard = Buffer.alloc(0);
  while (heard.length < said.length) heard = Buffer.concat([heard, (await once(socket, 'data'))[0]]);
  socket.destroy();
  return { status: 101, echoed: heard.equals(said) };
}
