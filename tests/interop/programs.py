"""The two sets of programs under test, and how a test runs one of them.

A set is a folder with ``caucased``, ``caucase``, ``caucase-probe``, ``caucase-rerequest`` and
``caucase-key-id``. Must never import anything from either implementation: they are run, not called.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PEER_RELEASE = "caucase==0.9.17"

# Long enough for a loaded machine that makes RSA keys, short enough that a program that hangs is noticed.
COMMAND_TIMEOUT_SECONDS = 60


@dataclass(frozen=True, kw_only=True)
class Result:
    """How one run of a command ended."""

    command: tuple[str, ...]
    code: int
    out: str
    err: str

    def __str__(self) -> str:
        return f"$ {' '.join(self.command)}\n-> {self.code}\n{self.out}\n{self.err}"

    def expect(self, code: int) -> Result:
        """Return this result; AssertionError with all that was printed when the exit code is another one."""
        assert self.code == code, f"expected exit code {code}\n{self}"
        return self


@dataclass(frozen=True, kw_only=True)
class Programs:
    """One implementation: where its programs are, and by which name the tests tell it apart."""

    name: str
    folder: Path

    @property
    def ours(self) -> bool:
        return self.name == "ours"

    def path(self, program: str) -> str:
        return str(self.folder / program)

    def run(self, program: str, *arguments: str, cwd: Path) -> Result:
        """Run one program in the folder `cwd` until it ends.

        This project's programs never show a traceback, whatever happens; that is checked for each run.
        """
        command = (self.path(program), *arguments)
        done = subprocess.run(
            command,
            cwd=cwd,
            env=environment(),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_TIMEOUT_SECONDS,
            check=False,
        )
        result = Result(command=(program, *arguments), code=done.returncode, out=done.stdout, err=done.stderr)
        if self.ours:
            assert "Traceback" not in done.stderr, str(result)
        return result


# What makes a server believe that systemd started it.
OF_SYSTEMD = {
    "JOURNAL_STREAM",
    "LISTEN_FDNAMES",
    "LISTEN_FDS",
    "LISTEN_PID",
    "NOTIFY_SOCKET",
    "WATCHDOG_USEC",
}


def environment() -> Mapping[str, str]:
    """The environment of every program: that of the tests, without systemd's variables."""
    return {name: value for name, value in os.environ.items() if name not in OF_SYSTEMD}


def ours() -> Programs:
    """This project's programs: in CAUCASE_BIN, else beside the Python that runs the tests."""
    folder = Path(os.environ.get("CAUCASE_BIN", Path(sys.executable).parent))
    assert (folder / "caucased").exists(), (
        f"No caucased in {folder}: run the tests with `make test`, or `make venv` once and then "
        "`.venv/bin/python -m pytest`."
    )
    return Programs(name="ours", folder=folder)


def peer() -> Programs:
    """The peer's programs: in CAUCASE_PEER_BIN, else in .venv-peer of this repository."""
    folder = Path(os.environ.get("CAUCASE_PEER_BIN", ROOT / ".venv-peer" / "bin"))
    assert (folder / "caucased").exists(), (
        f"No caucased in {folder}: the interoperability tests need the peer, {PEER_RELEASE}, in its own "
        "virtual environment. `make test` installs it; by hand: "
        f"`python3 -m venv .venv-peer && .venv-peer/bin/pip install {PEER_RELEASE}`, "
        "or name a folder that has its programs in CAUCASE_PEER_BIN."
    )
    return Programs(name="peer", folder=folder)


IMPLEMENTATIONS = {"ours": ours, "peer": peer}
