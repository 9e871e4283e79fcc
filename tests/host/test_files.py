"""Atomic replacement: content, owner and mode, links, and what is left after a failure."""

from __future__ import annotations

import os
import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from caucase.host.files import read_limited, remove_leftovers, write_atomic


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_has_the_mode_asked_for_whatever_the_umask(tmp_path: Path) -> None:
    previous = os.umask(0o077)
    try:
        write_atomic(tmp_path / "public", b"1", mode=0o644)
    finally:
        os.umask(previous)
    write_atomic(tmp_path / "secret", b"2", mode=0o600)
    assert (tmp_path / "public").read_bytes() == b"1"
    assert (mode_of(tmp_path / "public"), mode_of(tmp_path / "secret")) == (0o644, 0o600)
    assert sorted(entry.name for entry in tmp_path.iterdir()) == ["public", "secret"]


def test_an_existing_file_keeps_mode_and_is_replaced_not_truncated(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o640)
    with path.open("rb") as reader:
        write_atomic(path, b"new", mode=0o600)
        assert reader.read() == b"old"
    assert path.read_bytes() == b"new"
    assert mode_of(path) == 0o640


@pytest.mark.root("give files away")
def test_an_existing_file_keeps_its_owner(tmp_path: Path) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    os.chown(path, 65534, 12345)
    path.chmod(0o2640)
    write_atomic(path, b"new")
    status = path.stat()
    assert (status.st_uid, status.st_gid, mode_of(path)) == (65534, 12345, 0o2640)


def test_content_is_written_only_once_owner_and_mode_are_set(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")
    path.chmod(0o400)
    seen: list[tuple[int, int]] = []
    fchmod, fsync = os.fchmod, os.fsync

    def observe_fchmod(descriptor: int, mode: int) -> None:
        status = os.fstat(descriptor)
        seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        fchmod(descriptor, mode)

    def observe_fsync(descriptor: int) -> None:
        status = os.fstat(descriptor)
        if stat.S_ISREG(status.st_mode):
            seen.append((stat.S_IMODE(status.st_mode), status.st_size))
        fsync(descriptor)

    monkeypatch.setattr(os, "fchmod", observe_fchmod)
    monkeypatch.setattr(os, "fsync", observe_fsync)
    write_atomic(path, b"secret")
    assert seen == [(0o600, 0), (0o400, 6)]


def test_a_link_stays_and_its_target_is_replaced(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    target = tmp_path / "real" / "crt"
    target.write_bytes(b"old")
    link, dangling = tmp_path / "link", tmp_path / "dangling"
    link.symlink_to("real/crt")
    dangling.symlink_to("real/new")
    write_atomic(link, b"new")
    write_atomic(dangling, b"fresh")
    assert link.is_symlink()
    assert dangling.is_symlink()
    assert target.read_bytes() == b"new"
    assert (tmp_path / "real" / "new").read_bytes() == b"fresh"


@pytest.mark.parametrize("call", ["fchmod", "fsync"])
def test_after_a_failure_the_old_file_is_there_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    path = tmp_path / "key"
    path.write_bytes(b"old")

    def fail(*_arguments: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, call, fail)
    with pytest.raises(OSError, match="No space"):
        write_atomic(path, b"new")
    assert [entry.name for entry in tmp_path.iterdir()] == ["key"]
    assert path.read_bytes() == b"old"


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    os.mkfifo(tmp_path / "fifo")
    (tmp_path / "loop").symlink_to("loop")
    with pytest.raises(IsADirectoryError):
        write_atomic(tmp_path / "folder", b"")
    with pytest.raises(OSError, match="not a regular file"):
        write_atomic(tmp_path / "fifo", b"")
    with pytest.raises(OSError, match="symbolic links"):
        write_atomic(tmp_path / "loop", b"")
    with pytest.raises(FileNotFoundError):
        write_atomic(tmp_path / "missing" / "file", b"")


def test_reading_stops_at_the_limit(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"12345")
    assert read_limited(path, 5) == b"12345"
    with pytest.raises(OSError, match="larger than 4 bytes"):
        read_limited(path, 4)


def test_leftovers_are_told_from_what_others_have_called_alike(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(Path, "rename", lambda *_: os._exit(0))
        if not (child := os.fork()):
            write_atomic(tmp_path / "key", b"secret", mode=0o600)
        os.waitpid(child, 0)
    (left,) = tmp_path.iterdir()
    others = [tmp_path / name for name in (".caucase-notes", ".caucase-settings", ".caucase-new-notes")]
    for path in others:
        path.write_bytes(b"precious")
    (tmp_path / ".caucase-new-fo1der_s").mkdir()
    remove_leftovers(tmp_path, older_than=datetime.fromtimestamp(0, UTC))
    assert left.exists(), "somebody may be writing it just now"
    for path in tmp_path.iterdir():
        os.utime(path, (0, 0))
    remove_leftovers(tmp_path, older_than=datetime.fromtimestamp(1, UTC))
    assert not left.exists()
    assert all(path.exists() for path in others)
