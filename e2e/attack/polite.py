"""A polite client during an attack: a few requests a second, each of which must be answered 200."""

import threading
import time

from authserver import KNOWN_TOKEN

# Another address of the loopback than the attacker's, so that what is limited by address does not meet it.
ADDRESS = "127.0.0.2"
PERIOD = 0.2
PATIENCE = 20
KEPT = f"GET /auth/verify HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {KNOWN_TOKEN}\r\n\r\n".encode()
FRESH = b"GET /health HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n"


class PoliteClient:
    """Asks about one token on a connection that it keeps, and for the health on a new one each time."""

    def __init__(self, gateway):
        self._gateway = gateway
        self._stop = threading.Event()
        self.seconds = []
        self.failures = []
        # The first question is the authorization server's; it is not what is measured.
        self._link = None
        self._ask(KEPT, keep=True)
        self.seconds.clear()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def _run(self):
        while not self._stop.is_set():
            self._ask(KEPT, keep=True)
            self._ask(FRESH, keep=False)
            self._stop.wait(PERIOD)

    def _ask(self, request, keep):
        began = time.monotonic()
        try:
            status = self._kept(request) if keep else self._fresh(request)
            if status != b"200":
                self.failures.append(status.decode(errors="replace") or "nothing")
        except OSError as fault:
            self._link = None
            self.failures.append(type(fault).__name__)
        self.seconds.append(time.monotonic() - began)

    def _kept(self, request):
        # A connection that was idle may have been closed: then once more on a new one, as any client does.
        for fresh in (False, True):
            if self._link is None:
                self._link, fresh = self._gateway.connect(PATIENCE, ADDRESS), True
            try:
                self._link.sendall(request)
                status = read_status(self._link)
            except OSError:
                status = b""
            if status:
                return status
            self._link.close()
            self._link = None
            if fresh:
                return b""
        return b""

    def _fresh(self, request):
        with self._gateway.connect(PATIENCE, ADDRESS) as link:
            link.sendall(request)
            return read_status(link)

    def finish(self):
        """Ends it and returns its slowest request but one in a hundred, in milliseconds."""
        self._stop.set()
        self._thread.join(PATIENCE * 3)
        times = sorted(self.seconds)
        return 1000 * times[min(len(times) - 1, int(len(times) * 0.99))] if times else 0.0


def read_status(link):
    """The status of one answer, whose head and body are read whole."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = link.recv(65536)
        if not piece:
            return b""
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = 0
    for line in head.split(b"\r\n")[1:]:
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    while len(body) < length:
        piece = link.recv(65536)
        if not piece:
            return b""
        body += piece
    return head.split(b" ", 2)[1]
