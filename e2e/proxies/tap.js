// Between the front proxy and the gateway: hears every question, passes it on unchanged, can add header fields to a yes, and can
// fail as a gateway can.

import { Agent, createServer, request } from 'node:http';

import { listening, PATIENT } from './listening.js';

/** Header fields of one name, in a list of names and values by turns. */
const fields = (raw, name) => raw.filter((_, i) => i % 2 === 1 && raw[i - 1].toLowerCase() === name);

/** Starts a tap before the gateway at `origin`, on a port of its own. */
export async function startTap(origin) {
  const { hostname, port: gateway } = new URL(origin);
  const agent = new Agent({ keepAlive: true });
  const questions = [];
  const tap = { questions, connections: 0, hangs: false, drops: false, adds: [] };

  const passOn = (req, res) => {
    const out = request({ host: hostname, port: gateway, method: req.method, path: req.url, headers: req.rawHeaders, agent });
    out.on('error', () => req.socket.destroy());
    out.on('response', (answer) => {
      res.writeHead(answer.statusCode, [...answer.rawHeaders, ...(answer.statusCode === 200 ? tap.adds : [])]);
      answer.pipe(res);
    });
    if (fields(req.rawHeaders, 'content-length')[0] > 0 || fields(req.rawHeaders, 'transfer-encoding').length > 0) req.pipe(out);
    else out.end();
  };
  const server = createServer(PATIENT, (req, res) => {
    questions.push({ method: req.method, url: req.url, all: (name) => fields(req.rawHeaders, name) });
    if (tap.hangs) return;
    if (tap.drops) req.socket.destroy();
    else passOn(req, res);
  });
  server.on('connection', () => (tap.connections += 1));
  return listening(server, tap, { closeAll: () => server.closeAllConnections(), end: () => agent.destroy() });
}
