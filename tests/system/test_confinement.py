"""What the units may do, as systemd sees it and as a program inside finds out."""

from __future__ import annotations

import re

import pytest

from .commands import ASK
from .machine import Machine

LIMITS = {
    "caucased.service": 0.5,
    "caucased-backup.service": 0.5,
    "caucased-refresh.service": 0.5,
    "caucase-updater@www.service": 1.3,
    "caucase-deploy@www.service": 1.6,
    "caucase-failed@www.service": 1.6,
}

# Tries what must not work; prints what did.
PROBE = r"""
import os, socket, sys
for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):
        try:
            socket.socket(family, kind)
            print("socket", family.name, kind.name)
        except OSError:
            pass
allowed = sys.argv[1:]
for folder, folders, _ in os.walk("/"):
    folders[:] = [one for one in folders if os.path.join(folder, one) not in ("/proc", "/sys", "/dev", *allowed)]
    try:
        path = os.path.join(folder, ".probe")
        open(path, "x").close()
        os.unlink(path)
        # What disappears with the process, or at the next boot, is not persistent.
        if not os.path.realpath(folder).startswith(("/tmp", "/var/tmp", "/run")):
            print("written", folder)
    except OSError:
        pass
for name in ("/etc/shadow", "/root", "/home", "/etc/ssl/private"):
    try:
        os.listdir(name) if os.path.isdir(name) else open(name)
        if os.path.isdir(name) and not os.listdir(name):
            continue
        print("read", name)
    except OSError:
        pass
print("caps", [line for line in open("/proc/self/status") if line.startswith("CapEff")][0].split()[1])
"""


@pytest.mark.parametrize("unit", LIMITS)
def test_exposure(machine: Machine, unit: str) -> None:
    level = machine.run(f"systemd-analyze --no-pager security {unit} | tail -1")
    found = re.search(r"exposure level for .*: ([0-9.]+)", level)
    assert found
    assert float(found[1]) <= LIMITS[unit]


def test_systemd_has_nothing_to_say_about_the_units(machine: Machine) -> None:
    units = machine.run(
        "ls /lib/systemd/system/ | grep ^caucase | sed 's/@\\./@www./' | sed 's|^|/lib/systemd/system/|'"
    ).split()
    # Instances are not files.
    names = " ".join(unit.rpartition("/")[2] for unit in units)
    assert machine.run(f"systemd-analyze --man=no verify {names} 2>&1 | grep -i caucase || true") == ""


@pytest.mark.parametrize(
    ("unit", "allowed"),
    [
        ("caucased.service", ["/var/lib/caucased"]),
        ("caucased-refresh.service", ["/var/lib/caucased"]),
        ("caucased-backup.service", ["/var/lib/caucased", "/var/backups/caucase"]),
    ],
)
def test_a_probe_in_the_sandbox(machine: Machine, unit: str, allowed: list[str]) -> None:
    machine.run(ASK)
    machine.write("/usr/local/lib/probe.py", PROBE)
    # The same unit with another program, and nobody who has to hear that it is ready.
    machine.run(
        f"mkdir -p /run/systemd/system && sed -e 's/^Type=.*/Type=oneshot/' -e '/^ExecReload/d' -e '/^Watchdog/d' "
        f"-e '/^Requires=/d' -e '/^Sockets=/d' -e '/^After=/d' "
        f"-e 's|^ExecStart=.*|ExecStart=/usr/bin/python3 /usr/local/lib/probe.py {' '.join(allowed)}|' "
        f"/lib/systemd/system/{unit} >/run/systemd/system/probe.service && systemctl daemon-reload"
    )
    before = machine.run("date +%s.%N")
    machine.run("systemctl start probe.service")
    said = machine.journal("--unit=probe.service", "--identifier=python3", f"--since=@{before}").splitlines()
    assert said == ["caps 0000000000000000"]
