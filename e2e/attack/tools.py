"""Attacks by other people's tools: slowhttptest and sslyze. They are slow, so only the long form has them."""

import datetime
import json
import re
import subprocess
import sys
import time
from pathlib import Path


CLIENTS = 500
# Seconds after which each client must have been cut: three seconds are the gateway's limit.
LONG_ENOUGH = 15
# Connections of the polite client and to the authorization server, which come and go meanwhile.
OTHERS = 10


def _slowhttptest(mode, path):
    def attack(target):
        """Clients that send or read slower than anybody has a reason to."""
        command = ["slowhttptest", *mode, "-c", str(CLIENTS), "-r", "200", "-i", "1", "-l", str(int(target.seconds))]
        command += ["-u", f"http://127.0.0.1:{target.gateway.port}{path}", "-p", "5"]
        before = target.gateway.connections()
        running = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        held, peak = _held_while(running, target, before)
        text, _ = running.communicate(timeout=60)
        text = re.sub(r"\x1b\[[0-9;]*m", "", text)
        last = lambda name: (re.findall(rf"{name}:\s*(\w+)", text) or ["?"])[-1]
        target.sent = CLIENTS
        if last("service available") == "NO":
            target.fail("slowhttptest could not reach the service")
        every_one_was_cut = "No open connections left" in text or held <= OTHERS
        if target.seconds >= LONG_ENOUGH and not every_one_was_cut:
            target.fail(f"the gateway still holds {held} connections of {CLIENTS} slow clients")
        return f"{peak} connections were held at most" + (", none at the end" if every_one_was_cut else "")

    return attack


def _held_while(running, target, before):
    """How many more connections than before the gateway holds, shortly before the tool ends, and at most.

    They are counted at the gateway: a client that reads slowly sees its connection as open until it has read what the
    kernel keeps for it, long after the gateway has closed it.
    """
    held = peak = 0
    deadline = time.monotonic() + target.seconds - 2
    while time.monotonic() < deadline and running.poll() is None:
        held = max(0, target.gateway.connections() - before)
        peak = max(peak, held)
        time.sleep(0.25)
    return held, peak


def make_certificate(folder):
    """A certificate for the loopback that signs itself; returns its file and its key's."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.timezone.utc)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .sign(key, hashes.SHA256())
    )
    files = Path(folder) / "certificate.pem", Path(folder) / "key.pem"
    files[0].write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    files[1].write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )
    files[1].chmod(0o600)
    return files


def sslyze(target):
    """What sslyze finds at the TLS listener."""
    scans = "sslv2 sslv3 tlsv1 tlsv1_1 tlsv1_2 tlsv1_3 heartbleed openssl_ccs robot reneg compression early_data"
    command = [sys.executable, "-m", "sslyze", "--json_out=-", "--mozilla_config=disable"]
    command += [f"--{scan}" for scan in scans.split()] + [f"127.0.0.1:{target.tls_port}"]
    said = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    results = json.loads(said.stdout)["server_scan_results"]
    if not results or results[0]["scan_result"] is None:
        target.fail("sslyze could not connect")
        return None
    target.sent = 1
    findings = list(_findings(results[0]["scan_result"]))
    for name, found, good in findings:
        print(f"    {name}: {found}{'' if good else '  <- NOT HELD'}")
    bad = [name for name, _, good in findings if not good]
    if bad:
        target.fail(", ".join(bad))
    return f"{len(findings)} findings, {len(bad)} bad"


def _findings(scan):
    """Name, what was found, and whether that is good."""

    def result(name):
        attempt = scan.get(name) or {}
        return attempt.get("result") or {}

    for version in ["ssl_2_0", "ssl_3_0", "tls_1_0", "tls_1_1", "tls_1_2", "tls_1_3"]:
        suites = result(f"{version}_cipher_suites").get("accepted_cipher_suites")
        names = [suite["cipher_suite"]["name"] for suite in suites or []]
        modern = version in ("tls_1_2", "tls_1_3")
        weak = [name for name in names if not re.search(r"GCM|CHACHA20", name)]
        good = suites is not None and (bool(names) and not weak if modern else not names)
        yield version, ", ".join(names) or "refused", good
    answers = [
        ("heartbleed", "is_vulnerable_to_heartbleed", False),
        ("openssl_ccs_injection", "is_vulnerable_to_ccs_injection", False),
        ("tls_compression", "supports_compression", False),
        ("tls_1_3_early_data", "supports_early_data", False),
        ("session_renegotiation", "is_vulnerable_to_client_renegotiation_dos", False),
    ]
    for name, field, wanted in answers:
        found = result(name).get(field)
        yield name, found, found is wanted
    robot = result("robot").get("robot_result", "?")
    yield "robot", robot, robot.startswith("NOT_VULNERABLE")


ATTACKS = {
    "slow-headers": _slowhttptest(["-H"], "/health"),
    "slow-body": _slowhttptest(["-B", "-s", "4096"], "/oauth/token"),
    "slow-read": _slowhttptest(["-X", "-w", "1", "-y", "8", "-n", "1", "-z", "1", "-k", "8"], "/openapi.json"),
    "tls": sslyze,
}
