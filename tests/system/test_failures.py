"""What fails is seen: a failed unit, and the hook that an administrator can point at anything hears of it."""

from __future__ import annotations

import pytest

from .commands import ASK, make_user
from .machine import Machine, wait_for

ENDS_TOMORROW = """\
import datetime
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

key, now, name = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.utcnow(), x509.Name([])
builder = x509.CertificateBuilder().issuer_name(name).subject_name(name).public_key(key.public_key())
builder = builder.serial_number(1).not_valid_before(now - datetime.timedelta(90))
certificate = builder.not_valid_after(now + datetime.timedelta(1)).sign(key, hashes.SHA256())
pem = serialization.Encoding.PEM
private = key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
print((private + certificate.public_bytes(pem)).decode())
"""


@pytest.fixture
def told(machine: Machine) -> str:
    """A file with what the hook was told."""
    machine.write(
        "/etc/systemd/system/caucase-failed@.service.d/tell.conf",
        "[Service]\nExecStart=\nExecStart=/bin/sh -c 'echo %i >>/run/told'\nReadWritePaths=/run\n",
    )
    machine.run("systemctl daemon-reload")
    return "/run/told"


def fails(machine: Machine, unit: str, told: str) -> None:
    assert machine.attempt(f"systemctl start {unit}").returncode != 0
    assert unit in machine.run("systemctl --failed --no-legend --plain")
    wait_for(lambda: unit in machine.attempt(f"cat {told}").stdout, "the hook")


def test_a_backup(machine: Machine, told: str) -> None:
    machine.run(ASK)
    make_user(machine)
    machine.run("chown root:root /var/backups/caucase")
    fails(machine, "caucased-backup.service", told)
    assert "Permission denied" in machine.journal("--unit=caucased-backup.service")

    machine.run("chown caucase:caucase /var/backups/caucase")
    machine.start("caucased-backup.service")
    assert machine.run("systemctl --failed --quiet --no-legend") == ""
    assert machine.run("stat --format='%U %a' /var/backups/caucase/*.caucased") == "caucase 600"
    assert "The newest backup was made on" in machine.run("caucased-manage --status")


def test_a_certificate_that_ends_and_cannot_be_renewed(machine: Machine, told: str) -> None:
    """Nobody answers there; it is a failure because of what ends, not because of that."""
    machine.write("/etc/caucase/updater/mail.yaml", "ca_url: http://localhost:9\nnames: mail.example.com\n")
    machine.start("caucase-updater@mail.service")
    machine.write("/root/ends_tomorrow.py", ENDS_TOMORROW)
    machine.run(
        "cd /var/lib/caucase-updater/mail && python3 -W ignore /root/ends_tomorrow.py >pair.pem"
        " && chown caucase-updater:caucase-updater pair.pem && chmod 600 pair.pem"
    )
    fails(machine, "caucase-updater@mail.service", told)
    said = machine.journal("--unit=caucase-updater@mail.service")
    assert "The certificate ends on" in said
    assert "could not be replaced: No answer from http://localhost:9" in said
