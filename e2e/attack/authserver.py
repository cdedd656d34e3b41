"""An authorization server that knows one token and says no to any other."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN_TOKEN = "the-polite-clients-token"


class Handler(BaseHTTPRequestHandler):
    """Answers userinfo and revocation; everything else is not there."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def _answer(self, status, body):
        text = json.dumps(body).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(text)))
        self.end_headers()
        self.wfile.write(text)

    def do_GET(self):
        """Userinfo of the one known token (OpenID Connect Core §5.3)."""
        if not self.path.endswith("/userinfo"):
            return self._answer(404, {})
        if self.headers.get("authorization") == f"Bearer {KNOWN_TOKEN}":
            return self._answer(200, {"sub": "polite"})
        return self._answer(401, {"error": "invalid_token"})

    def do_POST(self):
        """A revocation succeeds (RFC 7009 §2.2); no grant is good."""
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.endswith("/revoke"):
            return self._answer(200, {})
        if self.path.endswith("/token"):
            return self._answer(400, {"error": "invalid_grant"})
        return self._answer(404, {})

    def log_message(self, *_):
        """Says nothing."""


class AuthServer:
    """The server, in threads of this process, on a port of its own."""

    def __init__(self):
        ThreadingHTTPServer.daemon_threads = True
        ThreadingHTTPServer.request_queue_size = 256
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def stop(self):
        """Ends it."""
        self._server.shutdown()
        self._server.server_close()
