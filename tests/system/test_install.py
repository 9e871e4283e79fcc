"""What an administrator does first, on a minimal system: install, connect, give the address, make the first user."""

from __future__ import annotations

from pathlib import Path

from . import debian
from .machine import Machine, wait_for

URL = "http://localhost:8009"
CURL = "curl --silent --show-error --max-time 30"
LISTENING = ("caucased.socket", "caucased-https.socket")
TIMERS = ("caucased-backup.timer", "caucased-refresh.timer")
SERVICES = ("caucased.service", "caucased-backup.service", "caucased-refresh.service")


def test_from_nothing_to_the_first_certificate(fresh: Machine) -> None:
    fresh.run("apt-get install --yes /srv/caucased_*.deb /srv/python3-caucase_*.deb")
    # Enabled and waiting; nothing runs.
    for unit in (*LISTENING, *TIMERS):
        assert fresh.run(f"systemctl is-enabled {unit}") == "enabled"
        assert fresh.run(f"systemctl is-active {unit}") == "active"
    for unit in SERVICES:
        assert fresh.show(unit, "ActiveState") == "inactive", unit
    assert (
        fresh.run("stat --format='%U %a' /var/lib/caucased /var/backups/caucase")
        == "caucase 700\ncaucase 700"
    )

    # The first connection starts the server, which says what is missing.
    answer = fresh.run(f"{CURL} --write-out ' %{{http_code}}' {URL}/cas/crt/ca.crt.pem")
    assert answer.endswith(" 503")
    assert "netloc" in answer
    assert fresh.show("caucased.service", "ActiveState") == "active"
    assert "netloc" in fresh.show("caucased.service", "StatusText")
    assert "netloc" in fresh.journal("--unit=caucased.service")

    # One line.
    fresh.run(r"sed -i 's/^#netloc: .*/netloc: localhost:8009/' /etc/caucase/caucased.yaml")
    fresh.run("systemctl reload caucased")
    wait_for(lambda: fresh.attempt(f"{CURL} --fail {URL}/cas/crt/ca.crt.pem").returncode == 0, "an answer")
    assert "Serving localhost:8009" in fresh.show("caucased.service", "StatusText")

    # Nobody becomes a user by being the first who asks.
    fresh.run("apt-get install --yes /srv/caucase-client_*.deb")
    states = fresh.run(
        "systemctl list-unit-files --no-legend 'caucase-updater@*' 'caucase-deploy@*'"
    ).splitlines()
    assert states
    assert not [line for line in states if line.split()[1] == "enabled"]
    request = (
        "openssl req -newkey rsa:2048 -nodes -keyout {0}.key.pem -out {0}.csr.pem -subj /CN={0} 2>/dev/null"
    )
    fresh.run(
        f"cd && {request.format('mallory')} && caucase --ca-url {URL} --mode user --send-csr mallory.csr.pem"
    )
    fresh.run(f"cd && ! caucase --ca-url {URL} --mode user --get-crt 1 mallory.key.pem")

    # The first user is made here, and signs from then on.
    fresh.run(
        f"cd && {request.format('alice')} && caucased-manage --sign-user-csr alice.csr.pem alice.crt.pem"
    )
    fresh.run("cd && cat alice.key.pem alice.crt.pem >alice.pem && chmod 600 alice.pem")
    fresh.run(
        f"cd && {request.format('www')} && caucase --ca-url {URL} --send-csr www.csr.pem"
        f" && caucase --ca-url {URL} --user-key alice.pem --sign-csr 1"
        f" && caucase --ca-url {URL} --get-crt 1 www.crt.pem && openssl verify -CAfile cas.crt.pem www.crt.pem"
    )
    # As root made it, the server's files are the server's.
    assert fresh.run("find /var/lib/caucased ! -user caucase") == ""
    assert fresh.run("systemctl --failed --quiet --no-legend") == ""


def test_the_first_user_before_the_first_connection(machine: Machine) -> None:
    machine.run(
        "openssl req -newkey rsa:2048 -nodes -keyout /root/a.key -out /root/a.csr -subj /CN=a 2>/dev/null"
    )
    machine.run("cd / && caucased-manage --sign-user-csr root/a.csr root/a.crt")
    assert machine.run("find /var/lib/caucased ! -user caucase") == ""
    assert machine.run("find /var/lib/caucased -type f -perm /077") == ""
    machine.run(f"{CURL} --fail {URL}/cas/crt/ca.crt.pem")


def test_both_packages_are_clean(release: str, packages: dict[str, Path]) -> None:
    """As lintian of that release sees it."""
    with debian.overlay(debian.build_root(release)) as root:
        for package in packages.values():
            (root / "srv" / package.name).write_bytes(package.read_bytes())
        assert debian.run_in(root, "lintian --allow-root --fail-on=error,warning /srv/*.deb") == ""
