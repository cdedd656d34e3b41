"""A gateway under attack: started on a private port, measured from outside, ended by its process id."""

import ctypes
import os
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from pathlib import Path

PATIENCE = 60


def free_port():
    """A port of the loopback that nothing listens at."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def _end_with_parent():
    """Lets the kernel end this process when the one that started it is gone."""
    PR_SET_PDEATHSIG = 1
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)


class Gateway:
    """One process of the gateway on embedded storage, in a folder of its own."""

    def __init__(self, binary, auth_url, settings=None, stderr=None):
        self.folder = Path(tempfile.mkdtemp(prefix="maxlab-attack-"))
        self.port = free_port()
        self.data = self.folder / "data"
        self._log = open(self.folder / "log", "wb")
        environment = {
            "PATH": os.environ.get("PATH", ""),
            "HOST": "127.0.0.1",
            "PORT": str(self.port),
            "DATA_DIR": str(self.data),
            "EXTERNAL_AUTH_URL": auth_url,
            "LOG_LEVEL": "warning",
            "BODY_TIMEOUT_SECONDS": "3",
            "HEADER_TIMEOUT_SECONDS": "3",
            "SHUTDOWN_SECONDS": "3",
        }
        environment.update(settings or {})
        self._process = subprocess.Popen(
            [binary, "serve"],
            cwd=self.folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=self._log,
            stderr=self._log if stderr is None else stderr,
            preexec_fn=_end_with_parent,
        )
        self._wait_until_it_answers()
        self.rss_before = self.rss()
        self.durable_before = self.durable()

    @property
    def pid(self):
        """Its process id."""
        return self._process.pid

    def connect(self, timeout=10, source="127.0.0.1"):
        """A TCP connection to it."""
        return socket.create_connection(("127.0.0.1", self.port), timeout=timeout, source_address=(source, 0))

    def lives(self):
        """Whether the process has not ended."""
        return self._process.poll() is None

    def _status(self, name):
        try:
            for line in Path(f"/proc/{self.pid}/status").read_text().splitlines():
                if line.startswith(name + ":"):
                    return int(line.split()[1]) * 1024
        except (OSError, ValueError):
            pass
        return 0

    def rss(self):
        """Resident memory now, in bytes."""
        return self._status("VmRSS")

    def rss_peak(self):
        """The most resident memory since the process began, in bytes."""
        return self._status("VmHWM")

    def connections(self):
        """How many sockets it holds open."""
        count = 0
        try:
            for entry in os.scandir(f"/proc/{self.pid}/fd"):
                try:
                    count += os.readlink(entry.path).startswith("socket:")
                except OSError:
                    pass
        except OSError:
            pass
        return count

    def durable(self):
        """Bytes of the pages in use in the databases of DATA_DIR."""
        total = 0
        for path in self.data.glob("*.db"):
            try:
                database = sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=5)
                number = lambda name: database.execute(f"PRAGMA {name}").fetchone()[0]
                total += (number("page_count") - number("freelist_count")) * number("page_size")
                database.close()
            except sqlite3.Error:
                total += path.stat().st_size
        return total

    def end(self):
        """Asks it to end; returns after how many seconds it had, or `None` where it had to be killed."""
        if not self.lives():
            return 0.0
        began = time.monotonic()
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(30)
            return time.monotonic() - began
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
            return None

    def remove(self):
        """Ends it where it still runs, and removes its folder."""
        if self.lives():
            self._process.kill()
        self._process.wait()
        self._log.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log(self):
        """The end of what it logged."""
        self._log.flush()
        return (self.folder / "log").read_bytes()[-2000:].decode(errors="replace")

    def _wait_until_it_answers(self):
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            if not self.lives():
                raise RuntimeError(f"the gateway ended at its start: {self.log()}")
            try:
                with self.connect(timeout=2) as link:
                    link.sendall(b"GET /health HTTP/1.1\r\nhost: g\r\nconnection: close\r\n\r\n")
                    if link.recv(12) == b"HTTP/1.1 200":
                        return
            except OSError:
                pass
            time.sleep(0.05)
        self._process.kill()
        raise RuntimeError(f"the gateway does not answer: {self.log()}")
