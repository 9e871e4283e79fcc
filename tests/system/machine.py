"""A booted system: a container with systemd as its first process, and a network of its own with nobody else on it.

Commands run in it as an administrator's would. Where one fails, the test shows what the units and the journal say.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import shlex
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TypeVar

from .debian import overlay

SECONDS = 90
_BOOT_SECONDS = 60

_ENVIRONMENT = {
    "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
    "LC_ALL": "C.UTF-8",
    "HOME": "/root",
    "DEBIAN_FRONTEND": "noninteractive",
}

Value = TypeVar("Value")

running: list[Machine] = []
"""All that are booted, for whoever reports a failure."""


class Machine:
    """A container. ``root``: its file system, seen from outside; ``leader``: the process id of its systemd; ``devices``:
    those of this machine that it may use, too."""

    def __init__(self, name: str, root: Path, *, devices: Sequence[str] = ()) -> None:
        self.name = name
        self._devices = devices
        self._shells: list[subprocess.Popen[bytes]] = []
        self.root = root
        self.leader = 0
        self._console = root.parent / "console"
        self._cgroup = _cgroups() / f"caucase-{os.getpid()}-{next(_numbers)}"
        # As Debian's installer makes it; mmdebstrap does not.
        (root / "etc" / "hosts").write_text("127.0.0.1 localhost\n::1 localhost\n")
        self._start()

    def _start(self) -> None:
        # Of its own: in the one that this process is in, the units of two machines would share theirs, so that neither
        # systemd sees its own come to an end.
        self._cgroup.mkdir(exist_ok=True)
        with self._console.open("ab") as console:
            self._nspawn = subprocess.Popen(
                [
                    *("/bin/sh", "-c", 'echo $$ >"$0/cgroup.procs" && exec "$@"', self._cgroup),
                    *(
                        "systemd-nspawn",
                        "--quiet",
                        "--boot",
                        f"--directory={self.root}",
                        f"--machine={self.name}",
                    ),
                    *(
                        "--register=no",
                        "--keep-unit",
                        "--private-network",
                        "--link-journal=no",
                        "--resolv-conf=off",
                        "--timezone=off",
                    ),
                    *(f"--bind={device}" for device in self._devices),
                ],
                env={**os.environ, "SYSTEMD_NSPAWN_UNIFIED_HIERARCHY": "1"},
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                start_new_session=True,
            )
        running.append(self)
        try:
            self.leader = wait_for(self._find_leader, "the container's first process", seconds=_BOOT_SECONDS)
            wait_for(self._is_up, "the end of booting", seconds=_BOOT_SECONDS)
        except BaseException:
            print(self.name, self._console.read_text(errors="replace"))
            self.stop()
            raise

    def _find_leader(self) -> int | None:
        assert self._nspawn.poll() is None, self._console.read_text(errors="replace")
        pid = self._nspawn.pid
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            # Not the helper that comes and goes before it.
            with contextlib.suppress(OSError):
                if Path(f"/proc/{child}/comm").read_text() == "systemd\n":
                    return int(child)
        return None

    def _is_up(self) -> bool:
        state = self.attempt("systemctl is-system-running").stdout.strip()
        return state in ("running", "degraded")

    def attempt(self, script: str, *, seconds: float = SECONDS) -> subprocess.CompletedProcess[str]:
        """Run a shell script as root; standard error is part of the output."""
        return subprocess.run(
            [*self._enter(), "/bin/bash", "-c", script],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=seconds,
            check=False,
        )

    def run(self, script: str, *, seconds: float = SECONDS) -> str:
        """The output of a script that has to succeed, without white space around it."""
        done = self.attempt(f"set -eu -o pipefail\n{script}", seconds=seconds)
        assert done.returncode == 0, f"{self.name}: {script}\nends with {done.returncode}:\n{done.stdout}"
        return done.stdout.strip()

    def start(self, unit: str) -> None:
        """Start a unit that has to succeed."""
        self.run(f"systemctl start {unit}")

    def popen(self, script: str) -> subprocess.Popen[str]:
        """A script that goes on meanwhile."""
        return subprocess.Popen(
            [*self._enter(), "/bin/bash", "-c", script],
            env=_ENVIRONMENT,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def shell(self) -> subprocess.Popen[bytes]:
        """A shell that reads commands from its standard input, and ends with the machine."""
        shell = subprocess.Popen(
            [*self._enter(), "/bin/bash"],
            env=_ENVIRONMENT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        self._shells.append(shell)
        return shell

    def show(self, unit: str, name: str) -> str:
        """A property of a unit."""
        return self.run(f"systemctl show --property={name} --value {shlex.quote(unit)}")

    def journal(self, *matches: str) -> str:
        """What the journal holds, messages only."""
        return self.run(f"journalctl --sync; journalctl --no-pager --output=cat {shlex.join(matches)}")

    def write(self, path: str, text: str) -> None:
        """Make a file, and the folders above it. Within the machine: a symbolic link there could lead out of its root."""
        subprocess.run(
            [*self._enter(), "/bin/sh", "-c", 'mkdir -p "$(dirname "$1")" && cat >"$1"', "sh", path],
            env=_ENVIRONMENT,
            input=text,
            text=True,
            timeout=SECONDS,
            check=True,
        )

    def drop_in(self, unit: str, text: str) -> None:
        """What ``systemctl edit`` does; an empty text takes it away."""
        if text:
            self.write(f"/etc/systemd/system/{unit}.d/test.conf", text)
        else:
            self.run(f"rm /etc/systemd/system/{unit}.d/test.conf")
        self.run("systemctl daemon-reload")

    def report(self) -> str:
        """How it is, for a person who looks for a mistake."""
        return self.attempt(
            "systemctl --no-pager --failed; systemctl --no-pager --full status 'caucase*' nginx;"
            "journalctl --no-pager --output=short-precise --lines=100 --priority=notice;"
            "journalctl --no-pager --output=short-precise --lines=60 --unit='caucase*'"
        ).stdout

    def reboot(self, change: Callable[[], None] = lambda: None) -> None:
        """Shut down, let ``change`` do something to the files, and boot again."""
        self.stop()
        change()
        self._start()

    def stop(self) -> None:
        """Shut down."""
        if self in running:
            running.remove(self)
        for shell in self._shells:
            shell.kill()
            shell.communicate()
        self._shells.clear()
        if self._nspawn.poll() is None and self.leader == 0:
            self._nspawn.kill()
            self._nspawn.wait(SECONDS)
        if self._nspawn.poll() is None:
            # What "systemctl poweroff" would ask of it (systemd(1)).
            os.kill(self.leader, signal.SIGRTMIN + 4)
            try:
                self._nspawn.wait(SECONDS)
            except subprocess.TimeoutExpired:
                os.kill(self._nspawn.pid, signal.SIGTERM)
                self._nspawn.wait(SECONDS)
        wait_for(self._has_left, "the end of the machine's control groups")

    def _has_left(self) -> bool:
        """Remove its control group; the kernel lets go of what was in there a moment after the last process."""
        for path, _, _ in os.walk(self._cgroup, topdown=False):
            with contextlib.suppress(OSError):
                Path(path).rmdir()
        return not self._cgroup.exists()

    def _enter(self) -> list[str]:
        return [
            "nsenter",
            f"--target={self.leader}",
            *(f"--{kind}" for kind in ("mount", "uts", "ipc", "net", "pid")),
            "--",
        ]


_numbers = itertools.count()


def _cgroups() -> Path:
    """Where version 2 of control groups is mounted (cgroups(7))."""
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    raise AssertionError("There are no control groups of version 2.")


@contextlib.contextmanager
def booted(name: str, *layers: Path, devices: Sequence[str] = ()) -> Iterator[Machine]:
    """A machine from a throw-away copy of those folders."""
    with overlay(*layers) as root:
        machine = Machine(name, root, devices=devices)
        try:
            yield machine
        finally:
            machine.stop()


def wait_for(what: Callable[[], Value | None], name: str, *, seconds: float = SECONDS) -> Value:
    """The first result that is true."""
    deadline = time.monotonic() + seconds
    while True:
        if value := what():
            return value
        assert time.monotonic() < deadline, f"waited {seconds:g} seconds for {name}"
        time.sleep(0.1)


def connect(one: Machine, address: str, other: Machine, other_address: str) -> None:
    """A cable between two machines, with an address on either end (CIDR)."""
    subprocess.run(
        [
            *("ip", "link", "add", "host0", "netns", str(one.leader), "type", "veth"),
            *("peer", "name", "host0", "netns", str(other.leader)),
        ],
        check=True,
    )
    for machine, its in ((one, address), (other, other_address)):
        machine.run(f"ip address add {its} dev host0; ip link set host0 up")
