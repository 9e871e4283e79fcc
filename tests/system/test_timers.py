"""The timers: they are due at some time, differ between instances, catch up on what was missed, and follow the clock."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator

import pytest

from .commands import ASK, make_user
from .machine import Machine, wait_for

TIMERS = ("caucased-backup", "caucased-refresh")
# What systemd says of a timer whose service is running.
_NEVER = (1 << 64) - 1


@pytest.fixture(autouse=True)
def _answering(machine: Machine) -> None:
    machine.run(ASK)


def runs(machine: Machine, unit: str) -> int:
    """How often a oneshot was started since boot."""
    machine.run("journalctl --sync")
    lines = machine.run(f"journalctl --boot --no-pager --output=json --unit={unit} _PID=1").splitlines()
    return sum(json.loads(line)["MESSAGE"].startswith("Starting ") for line in lines)


def next_elapse(machine: Machine, timer: str) -> int:
    """Microseconds since 1970."""
    shown = machine.run(
        f"busctl get-property org.freedesktop.systemd1 $(busctl call org.freedesktop.systemd1 /org/freedesktop/systemd1 "
        f"org.freedesktop.systemd1.Manager GetUnit s {timer} | cut -d '\"' -f 2) "
        "org.freedesktop.systemd1.Timer NextElapseUSecRealtime"
    )
    return int(shown.split()[1])


def waiting(machine: Machine, timer: str) -> int:
    """The same, once what it started has ended."""
    return wait_for(lambda: (due := next_elapse(machine, timer)) < _NEVER and due, f"{timer} to be waiting")


@pytest.fixture
def two_updaters(machine: Machine) -> Iterator[None]:
    for name in ("one", "two"):
        machine.write(f"/etc/caucase/updater/{name}.yaml", "ca_url: http://localhost:8009\n")
    machine.run("systemctl enable --now caucase-updater@one.timer caucase-updater@two.timer")
    yield
    machine.run("systemctl disable --now caucase-updater@one.timer caucase-updater@two.timer")
    machine.run("rm -r /etc/caucase/updater/*.yaml")
    machine.attempt("systemctl reset-failed")


def test_next_elapse_is_shown(machine: Machine, two_updaters: None) -> None:
    shown = machine.run("systemctl list-timers --no-pager --all")
    for timer in (
        *TIMERS,
        "caucase-updater@one",
        "caucase-updater@two",
        "caucase-deploy@one",
        "caucase-deploy@two",
    ):
        assert f"{timer}.timer" in shown
        assert time.time() < waiting(machine, f"{timer}.timer") / 1e6 < time.time() + 30 * 3600


def test_instances_have_different_offsets(machine: Machine, two_updaters: None) -> None:
    quarter = 15 * 60 * 1_000_000
    offsets = {waiting(machine, f"caucase-updater@{name}.timer") % quarter for name in ("one", "two")}
    assert len(offsets) == 2
    # The same ones after a restart of the timers.
    machine.run("systemctl restart caucase-updater@one.timer caucase-updater@two.timer")
    assert {waiting(machine, f"caucase-updater@{name}.timer") % quarter for name in ("one", "two")} == offsets


def test_the_target_stops_and_starts_all(machine: Machine, two_updaters: None) -> None:
    timers = [f"caucase-{kind}@{name}.timer" for kind in ("updater", "deploy") for name in ("one", "two")]
    machine.run("systemctl start caucase-updater.target && systemctl stop caucase-updater.target")
    assert {machine.show(timer, "ActiveState") for timer in timers} == {"inactive"}
    machine.run("systemctl start caucase-updater.target")
    assert {machine.show(timer, "ActiveState") for timer in timers} == {"active"}


@pytest.mark.parametrize("unit", ["caucased-refresh.service", "caucase-updater@one.service"])
def test_a_clock_change_starts_what_depends_on_the_clock(
    machine: Machine, two_updaters: None, unit: str
) -> None:
    machine.start(unit)
    before = runs(machine, unit)
    # To its own value: the kernel tells those who asked for it (timerfd_create(2), TFD_TIMER_CANCEL_ON_SET). The clock is
    # the one of this machine, and a container cannot set it.
    time.clock_settime(time.CLOCK_REALTIME, time.clock_gettime(time.CLOCK_REALTIME))
    wait_for(lambda: runs(machine, unit) > before, "a run after the clock was set")
    wait_for(lambda: machine.show(unit, "ActiveState") == "inactive", "its end")
    assert machine.show(unit, "Result") == "success"


def test_nothing_due_is_one_line_and_no_failure(machine: Machine, two_updaters: None) -> None:
    for unit in ("caucased-refresh.service", "caucase-updater@one.service"):
        machine.start(unit)
        since = machine.run("date +%s.%N")
        machine.start(unit)
        machine.run("journalctl --sync")
        said = machine.run(
            f"journalctl --no-pager --output=cat --since=@{since} _SYSTEMD_UNIT={unit}"
        ).splitlines()
        assert len(said) <= 1, said
    assert machine.run("systemctl --failed --quiet --no-legend") == ""


def test_a_missed_run_is_caught_up_at_boot(machine: Machine) -> None:
    make_user(machine)
    for timer in TIMERS:
        # As the packages have it: within five minutes. Here at once.
        assert machine.show(f"{timer}.timer", "RandomizedDelayUSec") == "5min"
        machine.drop_in(f"{timer}.timer", "[Timer]\nRandomizedDelaySec=0\n")

    def missed() -> None:
        for timer in TIMERS:
            stamp = machine.root / "var/lib/systemd/timers" / f"stamp-{timer}.timer"
            assert stamp.exists()
            os.utime(stamp, (time.time() - 30 * 86400,) * 2)

    machine.reboot(missed)
    for timer in TIMERS:
        wait_for(lambda unit=f"{timer}.service": runs(machine, unit), f"the run of {timer} that was missed")
