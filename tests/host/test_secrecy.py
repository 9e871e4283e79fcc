"""No core dump, whatever changes the process's ids, and no file with secrets that others can get at."""

from __future__ import annotations

import ctypes
import os
import resource
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from caucase.errors import Exposed
from caucase.host.owner import as_caller, as_owner_of
from caucase.host.secrecy import check_folder, check_key, check_secret, forbid_dumps

_PR_GET_DUMPABLE, _PR_SET_DUMPABLE = 3, 4
ROOT = Path(__file__).parents[2]
COMMANDS = ["caucase", "caucased", "key_id", "manage", "probe", "rerequest", "updater"]

needs_root = pytest.mark.root("become somebody else")


def is_dumpable() -> bool:
    return bool(ctypes.CDLL(None).prctl(_PR_GET_DUMPABLE, 0, 0, 0, 0))


@pytest.fixture(autouse=True)
def _as_it_was():
    limits = resource.getrlimit(resource.RLIMIT_CORE)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)
    yield
    resource.setrlimit(resource.RLIMIT_CORE, limits)
    ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0)


def test_no_dumps() -> None:
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    assert is_dumpable()
    forbid_dumps()
    assert not is_dumpable()
    assert resource.getrlimit(resource.RLIMIT_CORE) == (0, most)


def test_what_a_process_without_dumps_still_can() -> None:
    """What this program, or one that it runs, does with /proc."""
    forbid_dumps()
    with Path("/proc/self/mounts").open() as file:
        assert file.read(1)
    descriptor = os.memfd_create("test", os.MFD_CLOEXEC)
    try:
        os.write(descriptor, b"content")
        assert Path(f"/proc/self/fd/{descriptor}").read_bytes() == b"content"
    finally:
        os.close(descriptor)
    done = subprocess.run([sys.executable, "-c", TELLS], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n", "a program that is run is one like any other"


TELLS = "import ctypes; print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0))"


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command(command: str) -> None:
    script = f"""
import atexit, ctypes, resource
atexit.register(lambda: print(ctypes.CDLL(None).prctl(3, 0, 0, 0, 0), resource.getrlimit(resource.RLIMIT_CORE)[0]))
from caucase.cli.{command} import main
main(["--version"])
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines()[1:] == ["0 0"]


def test_these_are_all_commands() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    assert sorted(COMMANDS) == sorted(part.split(":")[0] for part in text.split('"caucase.cli.')[1:])


@needs_root
def test_other_ids(tmp_path: Path) -> None:
    """The kernel makes a process dumpable as the system says (fs.suid_dumpable) each time its effective ids change."""
    tmp_path.chmod(0o711)
    path = tmp_path / "file"
    path.touch()
    os.chown(path, 64_123, 64_123)
    forbid_dumps()
    with as_owner_of(path):
        assert not is_dumpable()
        with as_caller():
            assert not is_dumpable()
        assert not is_dumpable()
    assert not is_dumpable()


CHECKS: list[tuple[Callable[[Path], None], str, str]] = [
    (check_secret, "600 400 700", "640 604 620 602 644 666 660"),
    (check_key, "600 640 440 400", "644 604 660 620 602 646 641"),
    (check_folder, "700 755 750 711 555", "770 775 777 722 702 757"),
]


@pytest.mark.parametrize(("check", "good", "bad"), CHECKS)
def test_modes(tmp_path: Path, check: Callable[[Path], None], good: str, bad: str) -> None:
    path = tmp_path / "it"
    check(path)
    path.touch()
    for mode in good.split():
        path.chmod(int(mode, 8))
        check(path)
    for mode in bad.split():
        path.chmod(int(mode, 8))
        with pytest.raises(Exposed) as caught:
            check(path)
        assert str(path) in caught.value.message
        command = caught.value.hint.removeprefix("Run: ").split(" (")[0].split()
        subprocess.run(command, check=True)
        check(path)
