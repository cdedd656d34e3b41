"""Floods of well-formed requests that carry junk."""

import base64
import json
import threading
import uuid

from polite import read_status

WORKERS = 8
# What an anonymous request may leave behind for good, on the average of a flood: a fraction of a page, not a row each.
DURABLE_BOUND = 200


def opaque(size=0):
    """A token that was never issued."""
    return uuid.uuid4().hex + "x" * size


def foreign_jwt():
    """A JWT of an issuer that is not configured, whose signature is none."""
    part = lambda value: base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")
    header = {"alg": "RS256", "typ": "at+jwt", "kid": uuid.uuid4().hex}
    claims = {"iss": "https://foreign.example", "sub": "nobody", "jti": uuid.uuid4().hex, "exp": 4_000_000_000}
    signature = base64.urlsafe_b64encode(b"s" * 256).decode().rstrip("=")
    return f"{part(header)}.{part(claims)}.{signature}"


def form(path, body, more=""):
    """A POST of a form."""
    head = f"POST {path} HTTP/1.1\r\nhost: g\r\ncontent-type: application/x-www-form-urlencoded\r\n{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n{body}".encode()


def flood(target, make, count):
    """Sends `count` requests on some connections, one after another on each; returns how often each status came."""
    statuses, lock, deadline = {}, threading.Lock(), target.deadline()
    numbers = iter(range(count))

    def work():
        link = None
        while not target.over(deadline):
            with lock:
                number = next(numbers, None)
            if number is None:
                break
            try:
                link = link or target.gateway.connect()
                link.sendall(make(number))
                status = read_status(link).decode() or "closed"
            except OSError as fault:
                status = type(fault).__name__
            if not status.isdigit():
                link = None
            with lock:
                statuses[status] = statuses.get(status, 0) + 1
                unanswered = sum(times for status, times in statuses.items() if not status.isdigit())
            # A gateway that does not answer at all is not asked two thousand times.
            if unanswered > 2 * WORKERS:
                break

    workers = [threading.Thread(target=work, daemon=True) for _ in range(WORKERS)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    target.sent = sum(statuses.values())
    return statuses


def _judged(target, statuses):
    grown = (target.gateway.durable() - target.gateway.durable_before) / max(1, target.sent)
    if grown > DURABLE_BOUND:
        target.fail(f"{grown:.0f} durable bytes a request")
    if any(status.startswith("5") and status != "503" for status in statuses):
        target.fail("an internal error")
    return ", ".join(f"{count} × {status}" for status, count in sorted(statuses.items()))


def _count(target, short, long):
    return short if target.short else long


def revoke_opaque(target):
    """Opaque junk to be revoked."""
    return _judged(target, flood(target, lambda _: form("/oauth/revoke", f"token={opaque()}"), _count(target, 2_000, 50_000)))


def revoke_jwt(target):
    """Foreign JWTs to be revoked."""
    make = lambda _: form("/oauth/revoke", f"token={foreign_jwt()}")
    return _judged(target, flood(target, make, _count(target, 2_000, 50_000)))


def revoke_many_addresses(target):
    """Opaque junk to be revoked, each from another address, so that no limit by address meets it."""

    def make(number):
        address = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
        return form("/oauth/revoke", f"token={opaque()}", f"x-forwarded-for: {address}\r\n")

    return _judged(target, flood(target, make, _count(target, 3_000, 50_000)))


def revoke_outage(target):
    """Long junk to be revoked while the authorization server is down, when it cannot be known that it is junk."""
    target.auth_goes_down()
    make = lambda _: form("/oauth/revoke", f"token={opaque(12_000)}")
    return _judged(target, flood(target, make, _count(target, 2_000, 20_000)))


def verify_junk(target):
    """Junk at forward-auth."""
    make = lambda _: f"GET /auth/verify HTTP/1.1\r\nhost: g\r\nauthorization: Bearer {opaque()}\r\n\r\n".encode()
    return _judged(target, flood(target, make, _count(target, 2_000, 50_000)))


def token_junk(target):
    """Codes and refresh tokens that were never issued."""

    def make(number):
        if number % 2:
            return form("/oauth/token", f"grant_type=refresh_token&client_id=c&refresh_token={opaque()}")
        return form("/oauth/token", f"grant_type=authorization_code&client_id=c&code={opaque()}")

    return _judged(target, flood(target, make, _count(target, 2_000, 50_000)))


ATTACKS = {
    "revoke-opaque": revoke_opaque,
    "revoke-jwt": revoke_jwt,
    "revoke-many-addresses": revoke_many_addresses,
    "revoke-outage": revoke_outage,
    "verify-junk": verify_junk,
    "token-junk": token_junk,
}
