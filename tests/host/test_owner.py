"""Working as the owner of a file, and going back to being root for a moment."""

from __future__ import annotations

import os
import pwd
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from caucase.host.owner import as_caller, as_owner_of

NOBODYS = 64_123  # a user id without a name
needs_root = pytest.mark.root("become somebody else")


@pytest.fixture
def folder() -> Iterator[Path]:
    """One that others can reach, as those of pytest cannot be."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def ids() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), sorted(os.getgroups())


@needs_root
def test_as_the_owner(folder: Path) -> None:
    before = ids()
    state = folder / "state"
    state.mkdir(mode=0o700)
    os.chown(state, NOBODYS, NOBODYS + 1)
    secret = folder / "secret"
    secret.write_text("root's")
    secret.chmod(0o600)
    with as_owner_of(state / "not" / "there" / "yet.sqlite"):
        assert ids() == (NOBODYS, NOBODYS + 1, [NOBODYS + 1])
        (state / "made").write_text("x")
        with pytest.raises(PermissionError):
            secret.read_text()
        with as_caller():
            assert ids()[:2] == before[:2]
            assert secret.read_text() == "root's"
            (folder / "roots").write_text("x")
        assert ids() == (NOBODYS, NOBODYS + 1, [NOBODYS + 1])
        with pytest.raises(PermissionError):
            secret.read_text()
    assert ids() == before
    assert ((state / "made").stat().st_uid, (state / "made").stat().st_gid) == (NOBODYS, NOBODYS + 1)
    assert ((folder / "roots").stat().st_uid, (folder / "roots").stat().st_gid) == (0, 0)


@needs_root
def test_the_owners_own_groups(folder: Path) -> None:
    daemon = pwd.getpwnam("daemon")
    path = folder / "file"
    path.write_text("x")
    os.chown(path, daemon.pw_uid, 0)
    with as_owner_of(path):
        assert ids() == (daemon.pw_uid, daemon.pw_gid, sorted(set(os.getgrouplist("daemon", daemon.pw_gid))))


@needs_root
def test_back_after_an_exception(folder: Path) -> None:
    before = ids()
    os.chown(folder, NOBODYS, NOBODYS)
    with pytest.raises(ZeroDivisionError), as_owner_of(folder), as_caller():
        raise ZeroDivisionError
    with pytest.raises(ZeroDivisionError), as_owner_of(folder):
        raise ZeroDivisionError
    assert ids() == before


@needs_root
def test_threads_are_somebody_else_too(folder: Path) -> None:
    import threading

    os.chown(folder, NOBODYS, NOBODYS)
    seen = []
    go = threading.Event()

    def look() -> None:
        go.wait(10)
        seen.append(os.geteuid())
        (folder / "made").write_text("x")

    thread = threading.Thread(target=look)
    thread.start()
    with as_owner_of(folder):
        go.set()
        thread.join()
    assert seen == [NOBODYS]
    assert (folder / "made").stat().st_uid == NOBODYS


def test_what_is_ones_own(folder: Path) -> None:
    before = ids()
    (folder / "mine").write_text("x")
    with as_owner_of(folder / "mine"), as_caller():
        assert ids() == before
