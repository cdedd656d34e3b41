// A door before a provider that takes long to start: closed, it refuses connections like a provider that was stopped.

import { once } from 'node:events';
import { connect, createServer } from 'node:net';

/** Starts a relay on a port of its own. `to` is the port of 127.0.0.1 that it leads to. */
export async function startRelay(to) {
  const sockets = new Set();
  const server = createServer((inner) => {
    const outer = connect(to, '127.0.0.1');
    for (const [socket, other] of [[inner, outer], [outer, inner]]) {
      sockets.add(socket);
      socket.on('error', () => other.destroy());
      socket.on('close', () => {
        sockets.delete(socket);
        other.destroy();
      });
      socket.pipe(other);
    }
  });
  const listen = async (at) => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  };
  const port = await listen(0);
  return {
    port,
    /** Refuses connections from now on, and ends those it has. */
    async stop() {
      if (!server.listening) return;
      server.close();
      for (const socket of sockets) socket.destroy();
      await once(server, 'close');
    },
    /** Listens again, where it did before. */
    start: () => listen(port),
  };
}
