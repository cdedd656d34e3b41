// Between Envoy and the gateway's gRPC door, as `tap.js` is before the HTTP door: hears every question, passes it on, can add
// header fields to a yes, and can fail as a gateway can.

import { once } from 'node:events';
import { connect, createServer } from 'node:http2';

import { listening } from './listening.js';

const CHECK = '/envoy.service.auth.v3.Authorization/Check';

/** The fields of a protobuf message: number, wire type, and a Buffer (type 2) or a BigInt (type 0). Other types are not met here. */
function fieldsOf(message) {
  let at = 0;
  const varint = () => {
    let [value, shift] = [0n, 0n];
    for (;;) {
      const byte = message[at++];
      value |= BigInt(byte & 0x7f) << shift;
      if (byte < 0x80) return value;
      shift += 7n;
    }
  };
  const fields = [];
  while (at < message.length) {
    const tag = Number(varint());
    const [number, type] = [tag >> 3, tag & 7];
    if (type === 0) fields.push([number, type, varint()]);
    else if (type === 2) {
      const length = Number(varint());
      fields.push([number, type, message.subarray(at, (at += length))]);
    } else throw new Error(`wire type ${type}`);
  }
  return fields;
}

function varintOf(number) {
  const bytes = [];
  let rest = BigInt(number);
  while (rest > 127n) {
    bytes.push(Number(rest & 127n) | 128);
    rest >>= 7n;
  }
  return Buffer.from([...bytes, Number(rest)]);
}

function messageOf(fields) {
  return Buffer.concat(fields.flatMap(([number, type, value]) => {
    const tag = varintOf((number << 3) | type);
    if (type === 0) return [tag, varintOf(value)];
    const bytes = Buffer.from(value);
    return [tag, varintOf(bytes.length), bytes];
  }));
}

const all = (message, number) => fieldsOf(message).filter(([found]) => found === number).map(([, , value]) => value);
const only = (message, number) => all(message, number)[0] ?? Buffer.alloc(0);

/** What a CheckRequest asks, under the names that a question over HTTP has. */
function questionOf(message) {
  const http = only(only(only(message, 1), 4), 2);
  const told = { 'x-forwarded-method': 2, 'x-forwarded-uri': 4, 'x-forwarded-host': 5, 'x-forwarded-proto': 6 };
  const headers = all(only(http, 13), 1).map((field) => [only(field, 1).toString(), only(field, 3).toString('latin1')]);
  return {
    method: 'POST',
    url: '/auth/verify',
    all: (name) => (name in told ? all(http, told[name]).map(String) : headers.filter(([key]) => key === name).map(([, value]) => value)),
  };
}

/** A CheckResponse with more header fields in its yes: cookies for the client, all others for the application. */
function withMore(message, adds) {
  const yes = all(message, 3)[0];
  if (!yes || adds.length === 0) return message;
  const pairs = adds.flatMap((name, i) => (i % 2 === 0 ? [[name.toLowerCase(), adds[i + 1]]] : []));
  const kept = fieldsOf(yes).filter(([number, , value]) => number !== 5 || !pairs.some(([name]) => name === value.toString()));
  const more = pairs.map(([name, value]) => {
    const header = messageOf([[1, 2, name], [2, 2, value]]);
    return [name === 'set-cookie' ? 6 : 2, 2, messageOf([[1, 2, header], [2, 2, '']])];
  });
  return messageOf(fieldsOf(message).map((field) => (field[0] === 3 ? [3, 2, messageOf([...kept, ...more])] : field)));
}

/** gRPC sends a message behind a flag and four bytes of length. */
const unframed = (bytes) => bytes.subarray(5);
function framed(message) {
  const head = Buffer.alloc(5);
  head.writeUInt32BE(message.length, 1);
  return Buffer.concat([head, message]);
}

async function bytesOf(stream) {
  const parts = [];
  for await (const part of stream) parts.push(part);
  return Buffer.concat(parts);
}

const plain = (headers) => Object.fromEntries(Object.entries(headers).filter(([name]) => typeof name === 'string' && name !== 'connection'));

/** Starts a tap before the gRPC door at `gateway`, on a port of its own. */
export async function startGrpcTap(gateway) {
  const questions = [];
  const tap = { questions, connections: 0, hangs: false, drops: false, adds: [] };
  const sessions = new Set();
  let upstream;
  const upstreamSession = () => {
    if (!upstream || upstream.closed || upstream.destroyed) {
      upstream = connect(`http://127.0.0.1:${gateway}`);
      upstream.on('error', () => upstream.destroy());
    }
    return upstream;
  };

  const passOn = async (stream, headers, body) => {
    const out = upstreamSession().request(plain(headers));
    out.end(body);
    let trailers;
    out.on('trailers', (found) => (trailers = plain(found)));
    const [head] = await once(out, 'response');
    const answer = await bytesOf(out);
    if (stream.destroyed) return;
    stream.respond(plain(head), { waitForTrailers: trailers !== undefined });
    stream.on('wantTrailers', () => stream.sendTrailers(trailers));
    const isCheck = headers[':path'] === CHECK && answer.length > 5;
    stream.end(isCheck ? framed(withMore(unframed(answer), tap.adds)) : answer);
  };
  const server = createServer();
  server.on('session', (session) => {
    tap.connections += 1;
    sessions.add(session);
    session.on('error', () => {});
    session.on('close', () => sessions.delete(session));
  });
  server.on('stream', async (stream, headers) => {
    stream.on('error', () => {});
    try {
      const body = await bytesOf(stream);
      if (headers[':path'] === CHECK) questions.push(questionOf(unframed(body)));
      if (tap.hangs) return;
      if (tap.drops) stream.session?.destroy();
      else await passOn(stream, headers, body);
    } catch {
      stream.session?.destroy();
    }
  });
  const closeAll = () => sessions.forEach((session) => session.destroy());
  return listening(server, tap, { closeAll, end: () => upstream?.destroy() });
}
