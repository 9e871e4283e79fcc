"""The shells in which ``caucase.sh`` has to work, each with the commands that it meets there, and how a test runs it.

dash is what Debian has as /bin/sh, with coreutils and mawk. busybox is what routers and rescue systems have: its PATH
has nothing but busybox's own commands, openssl and curl.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

ROOT = Path(__file__).parents[2]
SCRIPT = ROOT / "sh" / "caucase.sh"
NAMES = ("dash", "busybox")
SECONDS = 120


@dataclass(frozen=True, kw_only=True)
class Result:
    code: int
    out: str
    err: str

    def expect(self, code: int) -> Result:
        assert self.code == code, f"expected exit code {code}, not {self.code}\n{self.out}\n{self.err}"
        return self


@dataclass(frozen=True, kw_only=True)
class Shell:
    """``path``: where it finds commands; the first is the shell's own."""

    name: str
    command: tuple[str, ...]
    path: str

    def run(
        self,
        *arguments: str | Path,
        cwd: Path,
        script: Path = SCRIPT,
        before: Path | None = None,
        environment: Mapping[str, str] | None = None,
        text: str = "",
    ) -> Result:
        """Run the script until it ends, in a process group of its own. Who is killed leaves no file elsewhere.

        ``before``: a folder whose commands come first; ``text``: what it reads, a character for a byte.
        """
        with TemporaryDirectory(prefix="caucase-shell-") as temporary:
            done = subprocess.run(
                [*self.command, script, *arguments],
                cwd=cwd,
                env={
                    **os.environ,
                    "PATH": self.path if before is None else f"{before}:{self.path}",
                    "TMPDIR": temporary,
                    **(environment or {}),
                },
                input=text.encode("latin-1"),
                capture_output=True,
                timeout=SECONDS,
                check=False,
                start_new_session=True,
            )
        out, err = (stream.decode("utf-8", "replace") for stream in (done.stdout, done.stderr))
        return Result(code=done.returncode, out=out, err=err)


def shell(name: str, folder: Path) -> Shell:
    """The shell of that name; ``folder``, which is made, holds busybox's commands."""
    if name == "dash":
        return Shell(name=name, command=("/bin/dash",), path="/usr/sbin:/usr/bin:/sbin:/bin")
    folder.mkdir()
    busybox = found("busybox")
    subprocess.run([busybox, "--install", "-s", folder], check=True)
    for command in ("curl", "openssl"):
        (folder / command).unlink(missing_ok=True)
        (folder / command).symlink_to(found(command))
    return Shell(name=name, command=(str(folder / "sh"),), path=str(folder))


def found(command: str) -> str:
    path = shutil.which(command)
    assert path, f"The tests of caucase.sh need the command {command}: `make test` installs it."
    return path


def impatient(folder: Path) -> Path:
    """A folder with a curl that waits for half a second where the real one is told to wait for a minute."""
    folder.mkdir(exist_ok=True)
    curl = folder / "curl"
    curl.write_text(f'#!/bin/sh\nexec {found("curl")} "$@" --max-time 0.5\n')
    curl.chmod(0o755)
    return folder
