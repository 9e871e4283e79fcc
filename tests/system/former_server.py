"""A machine on which the peer's server has run for a while: what docs/moving.md takes for granted.

The peer is not in Debian, so it runs outside, in the machine's network and with its files in the machine; only the unit that the
former administrator had is a stand-in.
"""

from __future__ import annotations

import contextlib
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12

from ..interop.material import make_request
from ..interop.programs import environment, peer
from .machine import Machine, wait_for

ADDRESS = "10.0.0.1"
URL = "http://ca.example.com:8009"
UNIT = "[Service]\nExecStart=/bin/sleep infinity\n[Install]\nWantedBy=multi-user.target\n"


def furnish(machine: Machine) -> None:
    """The former server is in ``/srv/caucase``; a user's key, a backup, what clients have, and CAs from elsewhere are in
    root's folder."""
    machine.run(f"ip address add {ADDRESS}/32 dev lo")
    home, data = machine.root / "root", machine.root / "srv" / "caucase"
    data.mkdir()
    make_request(home, "alice")
    make_request(home, "www")
    with _serving(machine, data):
        _caucase(machine, home, "--mode", "user", "--send-csr", "alice.csr.pem")
        sent = _caucase(machine, home, "--send-csr", "www.csr.pem").split()[0]
        _caucase(machine, home, "--get-crt", sent, "www.crt.pem")
    with _serving(machine, data, "--backup-directory", home):
        wait_for(lambda: list(home.glob("*.sql.caucased")), "the peer's backup")
    machine.write("/etc/systemd/system/old-caucased.service", UNIT)
    machine.run("systemctl daemon-reload && systemctl enable --now old-caucased.service")
    cas_from_elsewhere(home)


@contextlib.contextmanager
def _serving(machine: Machine, data: Path, *options: str | Path) -> Iterator[None]:
    command = [
        *("caucased", "--netloc", "ca.example.com:8009", "--bind", ADDRESS),
        *("--user-auto-approve-count", "1", "--service-auto-approve-count", "1", *options),
    ]
    with subprocess.Popen(
        _inside(machine, *command),
        cwd=data,
        env={**environment(), "TMPDIR": str(data)},  # it moves its backups from there
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    ) as server:
        listens = f"exec 3<>/dev/tcp/{ADDRESS}/8009 4<>/dev/tcp/{ADDRESS}/8010"
        try:
            wait_for(lambda: machine.attempt(listens).returncode == 0, "the peer")
            yield
        finally:
            server.terminate()
            server.wait()


def _caucase(machine: Machine, folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        _inside(machine, "caucase", "--ca-url", URL, *arguments),
        cwd=folder,
        env=environment(),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return done.stdout


def _inside(machine: Machine, program: str, *arguments: str | Path) -> list[str | Path]:
    """The peer's program in the network of the machine, with the names that are known there."""
    hosts = f'mount --bind {machine.root}/etc/hosts /etc/hosts && exec "$@"'
    return [
        *(
            "nsenter",
            f"--target={machine.leader}",
            "--net",
            "--",
            "unshare",
            "--mount",
            "sh",
            "-c",
            hosts,
            "sh",
        ),
        *(peer().path(program), *arguments),
    ]


def cas_from_elsewhere(folder: Path) -> None:
    """``old-ca.p12``, ``older-ca.key`` and ``older-ca.crt``, and a list of the first, ``old-crl.pem``."""
    now = datetime.now(UTC)
    pem, clear = serialization.Encoding.PEM, serialization.NoEncryption()
    old_key, old = _ca("Old CA", now - timedelta(days=100))
    (folder / "old-ca.p12").write_bytes(
        pkcs12.serialize_key_and_certificates(b"old", old_key, old, None, clear)
    )
    revoked = (
        x509.RevokedCertificateBuilder().serial_number(7).revocation_date(now - timedelta(days=1)).build()
    )
    crl = (
        x509.CertificateRevocationListBuilder()
        .issuer_name(old.subject)
        .last_update(now - timedelta(days=1))
        .next_update(now + timedelta(days=30))
        .add_revoked_certificate(revoked)
        .add_extension(x509.CRLNumber(5), critical=False)
        .add_extension(
            x509.AuthorityKeyIdentifier.from_issuer_public_key(old_key.public_key()), critical=False
        )
        .sign(old_key, hashes.SHA256())
    )
    (folder / "old-crl.pem").write_bytes(crl.public_bytes(pem))
    older_key, older = _ca("Older CA", now - timedelta(days=200))
    (folder / "older-ca.crt").write_bytes(older.public_bytes(pem))
    (folder / "older-ca.key").write_bytes(
        older_key.private_bytes(pem, serialization.PrivateFormat.PKCS8, clear)
    )


def _ca(name: str, since: datetime) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(since)
        .not_valid_after(since + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(
            x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True
        )
        .add_extension(identifier, critical=False)
        .sign(key, hashes.SHA256())
    )
    return key, certificate
