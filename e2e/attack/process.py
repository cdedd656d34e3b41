"""Attacks on the process itself: readers of its log that die or stall, and connections that are held for nothing."""

import os
import select
import threading
import time

from floods import flood
from polite import read_status

HEALTH = b"GET /health HTTP/1.1\r\nhost: g\r\n\r\n"
# As many connections as the gateway is given for these attacks.
MAX_CONNECTIONS = 100
NEWCOMER_PATIENCE = 15


def log_reader_dies(target):
    """The reader of the log ends after its first words."""
    if select.select([target.log_pipe], [], [], 5)[0]:
        os.read(target.log_pipe, 100)
    os.close(target.log_pipe)
    target.log_pipe = None
    return _all_answered(target)


def log_reader_stalls(target):
    """The reader of the log stops reading, and the pipe is full soon."""
    return _all_answered(target)


def _all_answered(target):
    wanted = 2_000 if target.short else 10_000
    statuses = flood(target, lambda _: HEALTH, wanted)
    good = statuses.get("200", 0)
    if good < wanted:
        target.fail(f"{wanted - good} of {wanted} requests were not answered")
    return f"{good} requests were answered"


def idle_connections(target):
    """More connections than the gateway takes, each kept by a small request a second; newcomers must still be answered."""
    links, deadline = [], time.monotonic() + max(3.0, target.seconds)
    while time.monotonic() < deadline:
        while len(links) < MAX_CONNECTIONS + 20:
            links.append(_kept_connection(target))
        links = [link for link in links if link is not None and _is_kept(link)]
        time.sleep(1)
    target.sent = MAX_CONNECTIONS + 20
    began = time.monotonic()
    # Another address than the attacker's, as in the polite client.
    newcomer = threading.Thread(target=_ask_as_newcomer, args=(target,), daemon=True)
    newcomer.start()
    while newcomer.is_alive() and time.monotonic() < began + NEWCOMER_PATIENCE:
        links = [link for link in links if _is_kept(link)]
        while len(links) < MAX_CONNECTIONS + 20:
            links.append(_kept_connection(target))
        links = [link for link in links if link is not None]
        newcomer.join(1)
    if newcomer.is_alive():
        target.fail(f"a newcomer was not answered within {NEWCOMER_PATIENCE} s")
    for link in links:
        link.close()
    return f"newcomers were answered next to {MAX_CONNECTIONS + 20} connections, {MAX_CONNECTIONS} is the limit"


def _kept_connection(target):
    try:
        link = target.gateway.connect(timeout=2)
        link.sendall(HEALTH)
        return link
    except OSError:
        return None


def _is_kept(link):
    """Sends one more request, and takes what has been answered."""
    try:
        link.setblocking(False)
        try:
            if not link.recv(65536):
                raise OSError
        except BlockingIOError:
            pass
        link.sendall(HEALTH)
        return True
    except OSError:
        link.close()
        return False


def _ask_as_newcomer(target):
    with target.gateway.connect(timeout=60, source="127.0.0.3") as link:
        link.sendall(HEALTH)
        read_status(link)


ATTACKS = {
    "log-reader-dies": log_reader_dies,
    "log-reader-stalls": log_reader_stalls,
    "idle-connections": idle_connections,
}
