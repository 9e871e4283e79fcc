"""Time that passes: a container has no clock of its own, so services are given one by libfaketime, which a file moves."""

from __future__ import annotations

from .machine import Machine

# The clock of services, and of commands with WITH_CLOCK: a container has none of its own. It is moved by a file.
CLOCK = "/etc/clock"
MOVED = {
    "LD_PRELOAD": "$(echo /usr/lib/*/faketime/libfaketime.so.1)",
    "FAKETIME_TIMESTAMP_FILE": CLOCK,
    "FAKETIME_NO_CACHE": "1",
    "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    "FAKETIME_DISABLE_SHM": "1",
}
WITH_CLOCK = "env " + " ".join(f"{name}={value}" for name, value in MOVED.items())


def clock_from_now_on(machine: Machine) -> None:
    """Services that are started from now on go by the file."""
    machine.write(CLOCK, "+0d\n")
    machine.run("apt-get install --yes faketime")
    machine.run(WITH_CLOCK.replace("env", "systemctl set-environment", 1))
    # It needs no clock, and libfaketime fails now and then in a process that waits for another (EINVAL of poll).
    machine.drop_in("caucase-deploy@.service", "[Service]\nUnsetEnvironment=LD_PRELOAD\n")


def move(days: int, ca: Machine, *others: Machine) -> None:
    """Let so many days have passed since the beginning, for no process half; the authority's timer is not forgotten."""
    for machine in (ca, *others):
        machine.run(f"echo +{days}d >{CLOCK}.new && mv {CLOCK}.new {CLOCK}")
    ca.start("caucased-refresh.service")
