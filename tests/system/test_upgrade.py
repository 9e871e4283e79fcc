"""Upgrade, removal and return: no connection is refused meanwhile, and what the authority knows is never lost."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from . import debian
from .commands import ASK, make_user
from .machine import Machine, booted

# A client that asks again and again, and again once where an answer is lost, as for a request that may be repeated;
# a connection that is refused is a failure at once. It prints what happened.
HAMMER = """
import http.client, pathlib, time
answered = repeated = 0
while not pathlib.Path("/run/enough").exists():
    for attempt in (1, 2):
        connection = http.client.HTTPConnection("127.0.0.1", 8009, timeout=60)
        connection.connect()
        try:
            connection.request("GET", "/cas/crt/ca.crt.pem")
            status = connection.getresponse().status
            assert status == 200, status
            break
        except (http.client.HTTPException, ConnectionError):
            repeated += 1
            if attempt == 2:
                raise
        finally:
            connection.close()
    answered += 1
print(answered, repeated)
"""


UNITS = ("caucased.socket", "caucased-https.socket", "caucased-backup.timer", "caucased-refresh.timer")


@pytest.fixture(scope="module")
def newer(release: str, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Packages of the next version."""
    return debian.built_packages(release, tmp_path_factory.mktemp(f"newer-{release}"), version="99.0")


@pytest.fixture
def machine(release: str, installed: tuple[Path, Path]) -> Iterator[Machine]:
    """One for each test, because they remove things."""
    with booted(f"upgrade-{release}", *installed) as machine:
        machine.write("/etc/caucase/caucased.yaml", "netloc: localhost:8009\nkey_type: ec:P-256\n")
        yield machine


def test_upgrade_refuses_nobody(machine: Machine, newer: dict[str, Path]) -> None:
    machine.run(ASK)
    before = machine.show("caucased.service", "MainPID")
    machine.write("/root/hammer.py", HAMMER)
    for package in newer.values():
        (machine.root / "srv" / package.name).write_bytes(package.read_bytes())
    clients = [machine.popen("python3 /root/hammer.py") for _ in range(2)]
    machine.run("apt-get install --yes /srv/*_99.0_all.deb")
    assert machine.run("dpkg-query --show --showformat='${Version}' caucased") == "99.0"
    machine.run("touch /run/enough")
    for client in clients:
        said = client.communicate(timeout=60)[0]
        assert client.returncode == 0, said
        assert int(said.split()[0]) > 10
    # The one of before is not what answers now.
    machine.run(ASK)
    assert machine.show("caucased.service", "MainPID") != before
    assert [machine.show(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)


def test_purge_keeps_the_authority_and_says_so(machine: Machine) -> None:
    make_user(machine)
    machine.run(ASK)
    ca = machine.run("curl --silent http://localhost:8009/cas/crt/ca.crt.pem")
    machine.run("apt-get remove --yes caucased")
    assert machine.attempt(ASK).returncode != 0
    said = machine.run("apt-get purge --yes caucased")
    assert "directory '/var/lib/caucased' not empty so not removed" in said
    assert machine.run("ls /var/lib/caucased").split() >= ["caucase.sqlite"]
    assert not (machine.root / "etc/caucase/caucased.yaml").exists()
    # It picks up what is there.
    machine.run("apt-get install --yes /srv/caucased_*.deb")
    machine.run("sed -i 's/^#netloc: .*/netloc: localhost:8009/' /etc/caucase/caucased.yaml")
    assert machine.run("curl --silent http://localhost:8009/cas/crt/ca.crt.pem") == ca
    assert [machine.show(unit, "ActiveState") for unit in UNITS] == ["active"] * len(UNITS)
    assert machine.run("systemctl --failed --plain --no-legend") == ""


def test_certificates_are_kept_again_after_a_purge_and_a_return(machine: Machine) -> None:
    machine.write("/etc/caucase/updater/www.yaml", "ca_url: http://localhost:8009\n")
    machine.run("systemctl enable --now caucase-updater@www.timer")
    machine.run("apt-get purge --yes caucase-client")
    # A timer that were still there would now look for its service (see test_timers).
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
    time.sleep(2)
    assert machine.run("systemctl --failed --plain --no-legend") == ""
    machine.run("apt-get install --yes /srv/caucase-client_*.deb")
    for timer in ("caucase-updater@www.timer", "caucase-deploy@www.timer"):
        assert machine.show(timer, "ActiveState") == "active"
    assert machine.run("systemctl --failed --plain --no-legend") == ""
    machine.run("systemctl start caucase-updater@www.service")


def test_a_newer_database_is_refused(machine: Machine) -> None:
    """What a downgrade would meet."""
    machine.run(ASK)
    machine.run("systemctl stop caucased.service")
    machine.run(
        'python3 -c \'import sqlite3; c = sqlite3.connect("/var/lib/caucased/caucase.sqlite");'
        ' c.execute("PRAGMA user_version = 99"); c.commit()\''
    )
    answer = machine.run("curl --silent --write-out ' %{http_code}' http://localhost:8009/cas/crt/ca.crt.pem")
    assert answer.endswith("503")
    assert "newer" in answer
    assert machine.show("caucased.socket", "ActiveState") == "active"
