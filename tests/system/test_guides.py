"""The guides, followed word for word on two machines, from the first command of each to its last, as readers would in this
order: operating, using, looking up, and losing everything. Moving is a machine by itself.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..docs import exceptions
from .guides import WORDS, Stage, stage
from .machine import Machine
from .reader import Reader

URL = "http://ca.example.com:8009"
OPERATING = "docs/operating.md"
RECIPES = "docs/recipes.md"
TO_LOOK_UP = (
    "docs/console.md",
    "docs/command-line.md",
    "docs/shell.md",
    "docs/updater.md",
    "docs/record.md",
    "docs/python.md",
)
DISASTER = "docs/disaster.md"
MOVING = "docs/moving.md"
FOLLOWED = ("README.md", OPERATING, RECIPES, *TO_LOOK_UP, DISASTER, MOVING)
"""Documents with commands: all of them, as tests/docs/test_documents.py sees to. The first is test_readme.py's."""
PERFORMED = {
    *((OPERATING, "mistyped"), (OPERATING, "ports"), (RECIPES, "sleep")),
    *((MOVING, "restored"), (MOVING, "imported")),
}
"""What is described, and done where there is nothing to lose."""


@pytest.fixture(scope="module")
def machines(release: str, packages: dict[str, Path]) -> Iterator[Stage]:
    with stage(release, packages) as result:
        yield result


@pytest.fixture(scope="module")
def reader(machines: Stage, release: str) -> Reader:
    """Somebody who has followed the operator's guide."""
    result = Reader(machines, WORDS[release], skipped=exceptions.COMMANDS)
    result.read(OPERATING)
    return result


def nothing_failed(machines: Stage, *names: str) -> None:
    """Of ours. (Whatever else a package brings may not work in a container, as polkit does not on Debian 13.)"""
    for name in names:
        assert machines[name].run("systemctl list-units --state=failed --no-legend 'caucase*'") == "", name


def test_operating(reader: Reader, machines: Stage) -> None:
    """What it says has happened: it is elsewhere now, and who was revoked is out."""
    ca, www = machines["ca"], machines["www"]
    assert (
        ca.run("ls /var/lib/caucased/*.sqlite /srv/ca/*.sqlite || true").split()[-1]
        == "/srv/ca/caucase.sqlite"
    )
    assert "successor made" in ca.run("caucased-manage --status")
    assert www.attempt("cd && caucase --user-key bob.pem --list-csr").returncode == 1, "Bob was revoked"
    nothing_failed(machines, "ca", "www")


def test_recipes(reader: Reader, machines: Stage) -> None:
    www = machines["www"]
    reader.read(RECIPES)
    for server in ("nginx", "apache2", "haproxy", "docker-registry", "openvpn-server@vpn", "postfix"):
        assert www.run(f"systemctl is-active {server}") == "active", server
    # Each of them can be told of a new certificate.
    for pending in (www.root / "var/lib/caucase-updater").glob("*/deploy-pending"):
        pytest.fail(f"{pending} waits")
    waking_up(reader, www)
    nothing_failed(machines, "ca", "www")


def waking_up(reader: Reader, www: Machine) -> None:
    """No container can; the recipe says what is seen then."""
    reader.perform(RECIPES, "sleep")
    www.run("systemctl daemon-reload")
    assert www.show("caucase-updater@www.timer", "WakeSystem") == "yes"
    assert www.attempt("systemctl restart caucase-updater@www.timer").returncode != 0
    www.run("rm -r /etc/systemd/system/caucase-updater@www.timer.d && systemctl daemon-reload")
    www.run("systemctl restart caucase-updater@www.timer")


@pytest.mark.parametrize("document", TO_LOOK_UP)
def test_to_look_something_up(reader: Reader, document: str) -> None:
    reader.read(document)


def test_disaster(reader: Reader, machines: Stage) -> None:
    reader.read(DISASTER)
    new, www = machines["new"], machines["www"]
    # Who had a certificate has lost nothing. Alice's former key was given up.
    www.run("cd && caucase --threshold 100 --renew-crt /etc/nginx/www.pem ''")
    assert new.attempt(f"cd && caucase --ca-url {URL} --user-key before.pem --list-csr").returncode == 1
    nothing_failed(machines, "new", "www")


def test_moving(machines: Stage, release: str) -> None:
    """Another reader, of another authority."""
    reader = Reader(
        {"old": machines["old"], "ca": machines["old"]}, WORDS[release], skipped=exceptions.COMMANDS
    )
    old = machines["old"]
    reader.read(MOVING)
    # The client of before.
    old.run(f"cd && caucase --ca-url {URL} --threshold 100 --renew-crt www.crt.pem www.key.pem")
    # Beginning again, twice: from its backup, and with CAs from elsewhere; at last on other ports.
    reader.perform(OPERATING, "mistyped")
    old.run(f"caucase-probe {URL}")
    begin_again(old)
    reader.perform(MOVING, "restored")
    begin_again(old)
    reader.perform(MOVING, "imported")
    assert "Old CA" in old.run("caucased-manage --status --json")
    reader.perform(OPERATING, "ports")
    assert old.run("ss --listening --tcp --numeric --no-header | grep -c -E ':(80|443) '") == "2"
    nothing_failed(machines, "old")


def begin_again(machine: Machine) -> None:
    machine.run("systemctl stop caucased.socket caucased.service && rm -r /var/lib/caucased/*")
