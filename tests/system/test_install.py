"""What an administrator does first, on a minimal system: install, connect, give the address, make the first user."""

from __future__ import annotations

from pathlib import Path

from . import debian
from .commands import CURL, URL, make_user, request
from .machine import Machine, booted, wait_for

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

    # What an editor of the file is told to read is there.
    assert "schema.json" in fresh.run("sed -n '1s,.*file://,,p' /etc/caucase/caucased.yaml | xargs ls")

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
    example = "/usr/share/doc/caucase-client/examples/updater.yaml"
    assert "schema.json" in fresh.run(f"sed -n '1s,.*file://,,p' {example} | xargs ls")
    states = fresh.run(
        "systemctl list-unit-files --no-legend 'caucase-updater@*' 'caucase-deploy@*'"
    ).splitlines()
    assert states
    assert not [line for line in states if line.split()[1] == "enabled"]
    asking = f"cd && caucase --ca-url {URL}"
    fresh.run(f"cd && {request('mallory')}")
    fresh.run(f"{asking} --mode user --send-csr mallory.csr.pem | cut -d ' ' -f 1 >id")
    assert fresh.attempt(f"{asking} --mode user --get-crt $(cat id) mallory.key.pem").returncode == 2

    # The first user is made here, and signs from then on.
    alice = make_user(fresh)
    fresh.run(
        f"cd && {request('www')} && caucase --ca-url {URL} --send-csr www.csr.pem | cut -d ' ' -f 1 >id"
    )
    fresh.run(f"{asking} --user-key {alice} --sign-csr $(cat id)")
    fresh.run(f"{asking} --get-crt $(cat id) www.crt.pem && openssl verify -CAfile cas.crt.pem www.crt.pem")
    # The console is there with all that belongs to it, for those who have a user's certificate.
    console = f"{CURL} --fail --insecure https://localhost:8010/ui"
    assert "CN=alice" in fresh.run(f"{console}/requests --cert {alice}")
    assert "The authority and its life" in fresh.run(f"{console}/")
    fresh.run(f"{console}/static/console.css --output /dev/null")
    # With two lines in the example that is installed, the rest of the command line follows.
    fresh.run(
        f"sed -i 's|^#ca_url: .*|ca_url: {URL}|; s|^#user_key: .*|user_key: {alice}|' /etc/caucase/client.yaml"
    )
    fresh.run(f"cd && {request('mail')} && caucase --send-csr mail.csr.pem | cut -d ' ' -f 1 >id")
    assert "DNS:mail.example.com" in fresh.run("cd / && caucase --list-csr")
    assert "CN=mail" in fresh.run("caucase --show-csr $(cat /root/id)")
    fresh.run("caucase-probe")
    # As root made it, the server's files are the server's.
    assert fresh.run("find /var/lib/caucased ! -user caucase") == ""
    assert fresh.run("systemctl --failed --quiet --no-legend") == ""


def test_what_autopkgtest_runs(release: str, installed: tuple[Path, Path]) -> None:
    script = debian.ROOT / "packaging" / "debian" / "tests" / "first-certificate"
    with booted(f"autopkgtest-{release}", *installed) as machine:
        machine.write("/root/first-certificate", script.read_text())
        assert "www.pem: OK" in machine.run("bash /root/first-certificate")


def test_the_first_user_before_the_first_connection(machine: Machine) -> None:
    make_user(machine)
    assert machine.run("find /var/lib/caucased ! -user caucase") == ""
    assert machine.run("find /var/lib/caucased -type f -perm /077") == ""
    machine.run(f"{CURL} --fail {URL}/cas/crt/ca.crt.pem")


def test_both_packages_are_clean(release: str, packages: dict[str, Path]) -> None:
    """As lintian of that release sees it."""
    with debian.overlay(debian.build_root(release)) as root:
        for package in packages.values():
            (root / "srv" / package.name).write_bytes(package.read_bytes())
        assert debian.run_in(root, "lintian --allow-root --fail-on=error,warning /srv/*.deb") == ""
