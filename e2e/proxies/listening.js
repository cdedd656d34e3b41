// What both taps are as servers: a port that can be closed, opened again, and cleared of its connections.

import { once } from 'node:events';

/**
 * Options of HTTP servers behind a proxy. Of itself Node closes a connection that was idle for five seconds, and a question that is
 * sent at this very moment is lost.
 */
export const PATIENT = { keepAliveTimeout: 600_000, maxHeaderSize: 128 * 1024 };

/** Lets `server` listen, and gives `tap` its port and the ways to end it. `closeAll` closes its connections, `end` those behind it. */
export async function listening(server, tap, { closeAll, end }) {
  const listen = async (at) => {
    server.listen(at, '127.0.0.1');
    await once(server, 'listening');
    return server.address().port;
  };
  const port = await listen(0);
  return Object.assign(tap, {
    port,
    /** Refuses connections from now on, as a gateway that is down. */
    async stop() {
      if (!server.listening) return;
      server.close();
      closeAll();
      end();
      await once(server, 'close');
    },
    /** Listens again, where it did before. */
    start: () => listen(port),
    /** Ends what it let hang. */
    release() {
      tap.hangs = false;
      closeAll();
    },
  });
}
