"""Standard streams that are closed, or whose encoding lacks what has to be said."""

from __future__ import annotations

import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.server.material import make

from .desk import CAUCASE, MANAGE, SECONDS, Desk, environment, open_desk, run

NAME = "Zoë 日本 👍"
ESCAPED = {
    "ascii": r"Zo\xeb \u65e5\u672c \U0001f44d",
    "latin-1": r"Zoë \u65e5\u672c \U0001f44d",
}


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    with open_desk(tmp_path_factory.mktemp("streams")) as made:
        made.submit(make(NAME).csr_pem)
        yield made


def run_closed(
    program: str, folder: Path, *arguments: str | Path, closed: str
) -> subprocess.CompletedProcess[str]:
    """``closed``: as a shell has it, for example ``>&-``."""
    command = shlex.join([sys.executable, "-c", program, *map(str, arguments)])
    return subprocess.run(
        ["/bin/sh", "-c", f"{command} {closed}"],
        cwd=folder,
        env=environment(folder),
        capture_output=True,
        text=True,
        timeout=SECONDS,
        check=False,
    )


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.parametrize("action", ["--list-csr", "--list-crt", "--status", "--send-csr"])
def test_closed(desk: Desk, closed: str, action: str) -> None:
    arguments: list[str | Path] = [*desk.options, action]
    if action == "--send-csr":
        (desk.folder / "other.csr").write_bytes(make("other").csr_pem)
        arguments.append("other.csr")
    done = run_closed(CAUCASE, desk.folder, *arguments, closed=closed)
    assert (done.returncode, done.stderr) == (0, "")
    assert bool(done.stdout) is (">&-" not in closed.replace("2>&-", ""))


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
def test_closed_for_the_server_s_command(desk: Desk, closed: str) -> None:
    done = run_closed(MANAGE, desk.folder, "--status", closed=closed)
    assert (done.returncode, done.stderr) == (0, "")


def test_a_passphrase_from_a_standard_input_that_is_closed(desk: Desk) -> None:
    netloc = desk.server.origin.removeprefix("http://")
    done = run_closed(MANAGE, desk.folder, "--netloc", netloc, "--export-ca", "out.pem", closed="<&-")
    assert done.returncode == 1
    assert "standard input has none" in done.stderr


def test_the_on_renew_command_has_all_three(desk: Desk) -> None:
    hook = desk.folder / "hook"
    hook.write_text(
        '#!/bin/sh\nseen=$(readlink /proc/$$/fd/0 /proc/$$/fd/1 /proc/$$/fd/2)\necho "$seen" >seen\n'
    )
    hook.chmod(0o755)
    arguments = ("--ca-url", desk.server.origin, "--ca-crt", "hooked.pem", "--on-renew", "./hook")
    done = run_closed(CAUCASE, desk.folder, *arguments, closed="<&- >&- 2>&-")
    assert done.returncode == 0
    assert (desk.folder / "seen").read_text() == "/dev/null\n" * 3


@pytest.mark.parametrize(
    ("encoding", "more"),
    [
        ("ascii", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        ("ascii", {"PYTHONIOENCODING": "ascii"}),
        ("latin-1", {"PYTHONIOENCODING": "latin-1"}),
    ],
)
def test_other_encodings(desk: Desk, encoding: str, more: dict[str, str]) -> None:
    command = [sys.executable, "-c", CAUCASE, *desk.options, "--list-csr"]
    done = subprocess.run(
        command,
        cwd=desk.folder,
        env=environment(desk.folder, more),
        capture_output=True,
        timeout=SECONDS,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, b"")
    assert f"CN={ESCAPED[encoding]}" in done.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("option", "name", "said"),
    [
        ("--ca-crt", "loop.pem", "Too many levels of symbolic links"),
        ("--ca-crt", "loop", "File exists"),
        ("--crl", "loop.pem", "Too many levels of symbolic links"),
        ("--get-csr", "loop.pem", "Too many levels of symbolic links"),
        ("--user-key", "loop.pem", "Too many levels of symbolic links"),
    ],
)
def test_links_that_lead_in_a_circle(desk: Desk, tmp_path: Path, option: str, name: str, said: str) -> None:
    loop = tmp_path / name
    loop.symlink_to(name)
    arguments = [option, name]
    if option == "--get-csr":
        arguments.insert(1, desk.submit(make("asked").csr_pem))
    if option == "--user-key":
        arguments.append("--list-csr")
    done = run(CAUCASE, tmp_path, "--ca-url", desk.server.origin, *arguments)
    assert done.returncode == 1
    assert f"{name}: {said}. Give " in done.stderr
    assert done.stderr.count("\n") == 1
    assert loop.is_symlink()
