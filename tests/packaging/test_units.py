"""The unit files as files: hardened, in order, and nothing that an old systemd does not know."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "systemd"
SERVICES = sorted(FOLDER.glob("*.service"))
# The first directive of what confines a service; from there on it is one block.
_FIRST = "AmbientCapabilities"
# Newer than systemd 252, which ignores them: what they promise would not be true there.
_TOO_NEW = (
    "ImportCredential",
    "notify-reload",
    "RestartSteps",
    "RestartMaxDelaySec",
    "PollLimit",
    "MemoryPressure",
)


def hardening(service: Path) -> list[str]:
    lines = service.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith(_FIRST))
    return lines[start:]


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_hardening_is_one_directive_a_line_in_order(service: Path) -> None:
    names = [line.partition("=")[0] for line in hardening(service) if line and not line.startswith("#")]
    assert names == sorted(names)
    assert names[-1] == "UMask"


@pytest.mark.parametrize("service", SERVICES, ids=lambda path: path.name)
def test_what_differs_from_the_server_is_explained(service: Path) -> None:
    """Each directive that the server does not have, or has otherwise, is in a paragraph that says why."""
    strict = set(hardening(FOLDER / "caucased.service"))
    lines = hardening(service)
    for number, line in enumerate(lines):
        if line not in strict and not line.startswith("#"):
            before = lines[number - 1]
            same = before.partition("=")[0] == line.partition("=")[0]
            assert before.startswith("#") or same, f"{line} needs its reason above it"
    missing = {line.partition("=")[0] for line in strict} - {line.partition("=")[0] for line in lines} - {""}
    text = "\n".join(line for line in lines if line.startswith("#"))
    for directive in missing:
        assert directive in text, f"{service.name} leaves out {directive} without saying why"


@pytest.mark.parametrize("unit", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_debian_12_knows_everything(unit: Path) -> None:
    assert [word for word in _TOO_NEW if word in unit.read_text()] == []


@pytest.mark.parametrize("timer", sorted(FOLDER.glob("*.timer")), ids=lambda path: path.name)
def test_timers_go_by_the_wall_clock(timer: Path) -> None:
    """Monotonic ones stand still while a machine sleeps, and certificates do not."""
    text = timer.read_text()
    assert re.search(r"^OnCalendar=", text, re.MULTILINE)
    assert "Persistent=yes" in text
    assert "FixedRandomDelay=yes" in text
    assert not re.search(r"^On(Active|Boot|Startup|UnitActive|UnitInactive)Sec=", text, re.MULTILINE)


def test_no_oneshot_remains() -> None:
    for service in SERVICES:
        assert "RemainAfterExit" not in service.read_text()
