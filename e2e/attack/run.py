"""Attacks a gateway, one attack after another, each on a gateway of its own, and prints what held.

`run.py --gateway PATH [--short] [--seconds N] [--only NAME] [--out FILE]`

Everything is on the loopback, bounded in count and time, and ends by itself.
"""

import argparse
import os
import sys
import threading
import time
from pathlib import Path

import floods
import frames
import process
import tools
from authserver import AuthServer
from gateway import Gateway, free_port
from polite import PoliteClient

MIB = 2**20
MEMORY_BOUND = 64 * MIB
# A debug build takes more before it is attacked.
GROWTH_BOUND = 40 * MIB
P99_BOUND_MS = 250
STOP_BOUND = 3 + 5

# Settings of the gateway under one attack, in addition to the usual ones.
SETTINGS = {
    "revoke-opaque": {"RATE_LIMIT_PER_ADDRESS": "2/s burst 50"},
    "revoke-jwt": {"RATE_LIMIT_PER_ADDRESS": "2/s burst 50"},
    "revoke-many-addresses": {"TRUSTED_PROXIES": "127.0.0.1", "REVOKE_UNPROVEN_MAX": "100"},
    # The polite client's verdict outlives the outage, which is no fault of the gateway.
    "revoke-outage": {
        "RATE_LIMIT_PER_ADDRESS": "2/s burst 50",
        "REVOKE_UNPROVEN_MAX": "100",
        "UPSTREAM_TIMEOUT_SECONDS": "1",
        "VERIFY_CACHE_SECONDS": "300",
    },
    "log-reader-dies": {"LOG_LEVEL": "info"},
    "log-reader-stalls": {"LOG_LEVEL": "info"},
    "idle-connections": {"MAX_CONNECTIONS": str(process.MAX_CONNECTIONS)},
}


class Target:
    """A gateway, the authorization server behind it, and what an attack finds."""

    def __init__(self, arguments, name):
        self.short = arguments.short
        self.seconds = arguments.seconds
        self.sent = 0
        self.failures = []
        self.log_pipe = None
        self.tls_port = None
        self._auth = AuthServer()
        settings = dict(SETTINGS.get(name, {}))
        stderr = None
        if name.startswith("log-reader"):
            self.log_pipe, stderr = os.pipe()
        if name == "tls":
            self.tls_port = free_port()
            files = tools.make_certificate(arguments.out.parent)
            settings |= {"TLS_CERT_FILE": str(files[0]), "TLS_KEY_FILE": str(files[1]), "TLS_PORT": str(self.tls_port)}
        try:
            self.gateway = Gateway(arguments.gateway, self._auth.url, settings, stderr)
        finally:
            if stderr is not None:
                os.close(stderr)
        self.connections = self.gateway.connections()
        self.rss_peak = self.gateway.rss_before
        self._stop = threading.Event()
        self._watcher = threading.Thread(target=self._watch, daemon=True)
        self._watcher.start()

    def _watch(self):
        while not self._stop.wait(0.2):
            self.look()

    def look(self):
        """Notes what the process holds now."""
        self.connections = max(self.connections, self.gateway.connections())
        self.rss_peak = max(self.rss_peak, self.gateway.rss_peak())

    def deadline(self):
        """When the attack that begins now is over."""
        return time.monotonic() + self.seconds

    def over(self, deadline):
        """Whether nothing more is to be sent. In the short form counts decide, which do not depend on speed."""
        return time.monotonic() > deadline + (60 if self.short else 0) or not self.gateway.lives()

    def fail(self, why):
        """Notes why the gateway did not hold."""
        self.failures.append(why)

    def auth_goes_down(self):
        """Ends the authorization server."""
        self._auth.stop()

    def close(self):
        """Ends everything that this target started."""
        self._stop.set()
        self._watcher.join()
        self.gateway.remove()
        if self.log_pipe is not None:
            os.close(self.log_pipe)


def attacked(arguments, name, attack):
    """Runs one attack and judges it; returns the row of the table and whether it held."""
    target = Target(arguments, name)
    try:
        polite = PoliteClient(target.gateway)
        try:
            said = attack(target)
        except OSError as fault:
            said = f"the attacker was cut off ({type(fault).__name__})"
        p99 = polite.finish()
        return judged(arguments, name, target, polite, p99, said)
    finally:
        target.close()


def judged(arguments, name, target, polite, p99, said):
    """The row of one attack."""
    gateway = target.gateway
    target.look()
    before, peak = gateway.rss_before, target.rss_peak
    grown = max(0, gateway.durable() - gateway.durable_before)
    if not gateway.lives():
        target.fail("the process ended")
    if polite.failures:
        target.fail(f"{len(polite.failures)} of {len(polite.seconds)} polite requests failed ({polite.failures[0]})")
    if peak > max(MEMORY_BOUND, before + GROWTH_BOUND):
        target.fail("memory")
    if not arguments.short and p99 > P99_BOUND_MS:
        target.fail(f"p99 over {P99_BOUND_MS} ms")
    stopped = gateway.end()
    if stopped is None or stopped > STOP_BOUND:
        target.fail("it did not stop in time" if stopped is None else f"it took {stopped:.0f} s to stop")
    durable = f"{grown / target.sent:.1f}" if target.sent else "-"
    held = not target.failures
    why = "; ".join(target.failures) if target.failures else (said or "")
    row = [
        name,
        "held" if held else "NOT HELD",
        f"{before / MIB:.0f} → {peak / MIB:.0f} MiB",
        str(target.connections),
        f"{p99:.0f} ms",
        durable,
        why,
    ]
    return row, held


def table(rows):
    """The rows as Markdown."""
    head = ["attack", "result", "memory", "open connections", "polite p99", "durable bytes a request", "what was seen"]
    widths = [max(len(row[at]) for row in [head, *rows]) for at in range(len(head))]
    line = lambda cells: "| " + " | ".join(cell.ljust(width) for cell, width in zip(cells, widths)) + " |"
    return "\n".join([line(head), "|" + "|".join("-" * (width + 2) for width in widths) + "|", *map(line, rows)]) + "\n"


def main():
    """Runs the attacks that were asked for; ends with 1 where one was not held."""
    every = {**frames.ATTACKS, **floods.ATTACKS, **process.ATTACKS, **tools.ATTACKS}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--gateway", required=True, type=os.path.abspath)
    parser.add_argument("--out", required=True, type=Path)
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--only", action="append", choices=list(every))
    arguments = parser.parse_args()
    arguments.seconds = arguments.seconds or (2 if arguments.short else 20)
    arguments.out.parent.mkdir(parents=True, exist_ok=True)
    slow = () if not arguments.short else tools.ATTACKS
    chosen = arguments.only or [name for name in every if name not in slow]
    rows, all_held = [], True
    for name in chosen:
        print(f"{name} …", flush=True)
        row, held = attacked(arguments, name, every[name])
        print(f"  {row[1]}: {row[-1]}", flush=True)
        rows.append(row)
        all_held &= held
    report = table(rows)
    arguments.out.write_text(report)
    print(f"\n{report}")
    return 0 if all_held else 1


if __name__ == "__main__":
    sys.exit(main())
