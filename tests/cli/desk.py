"""Somebody who works with the command ``caucase`` against a real server, in processes of their own."""

from __future__ import annotations

import contextlib
import os
import pty
import select
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from caucase.store import Database
from tests.server.harness import Server, running
from tests.server.material import make

ROOT = Path(__file__).parents[2]
CAUCASE = "import sys; from caucase.cli.caucase import main; sys.exit(main(sys.argv[1:]))"
MANAGE = "import sys; from caucase.cli.manage import main; sys.exit(main(sys.argv[1:]))"
SECONDS = 60


def environment(folder: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Of somebody who has a home of their own: nothing of whoever runs the tests is read."""
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "TERM", "COLUMNS")}
    home = {"HOME": str(folder), "XDG_CONFIG_HOME": "", "XDG_DATA_HOME": ""}
    return {**kept, **home, "PYTHONPATH": str(ROOT), **(more or {})}


def run(
    program: str, folder: Path, *arguments: str, more: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=folder,
        env=environment(folder, more),
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )
    assert "Traceback" not in done.stderr
    assert "defect" not in done.stderr
    return done


def on_terminal(program: str, folder: Path, *arguments: str, more: Mapping[str, str] | None = None) -> str:
    """All that the program writes to a terminal of 80 columns, as it is, carriage returns left out."""
    ours, theirs = pty.openpty()
    try:
        process = subprocess.Popen(
            [sys.executable, "-c", program, *arguments],
            cwd=folder,
            env=environment(folder, {"TERM": "xterm", "COLUMNS": "80", **(more or {})}),
            stdin=subprocess.DEVNULL,
            stdout=theirs,
            stderr=theirs,
        )
    finally:
        os.close(theirs)
    shown = b""
    with os.fdopen(ours, "rb", buffering=0) as terminal, process:
        # At its end, reading from the terminal fails.
        with contextlib.suppress(OSError):
            while select.select([terminal], [], [], SECONDS)[0]:
                shown += terminal.read(65536)
        assert process.wait(SECONDS) in (0, 1)
    return shown.decode().replace("\r\n", "\n")


@dataclass(kw_only=True)
class Desk:
    """``user``: the file of somebody who may sign."""

    server: Server
    folder: Path
    user: Path

    @property
    def options(self) -> tuple[str, ...]:
        return "--ca-url", self.server.origin, "--user-key", str(self.user)

    def caucase(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return run(CAUCASE, self.folder, *self.options, *arguments)

    def submit(self, csr_pem: bytes, context: str = "cas") -> str:
        return self.server.client.submit(context, csr_pem)


@contextlib.contextmanager
def open_desk(folder: Path) -> Iterator[Desk]:
    with Database(folder / "caucase.sqlite") as database, running(folder) as server:
        server.configure(database)
        boss = make("boss")
        user = boss.bundle(folder / "user.pem", server.client.become_user(boss.csr_pem))
        user.chmod(0o600)
        yield Desk(server=server, folder=folder, user=user)
