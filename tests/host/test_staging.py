"""Large files appear complete or not at all; what was left goes, what is somebody else's stays."""

from __future__ import annotations

import os
import stat
import tempfile
from pathlib import Path
from typing import Any

import pytest

from caucase.errors import Conflict
from caucase.host import staging
from caucase.host.staging import passing_folder, publish, staged_file, staging_folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_file(tmp_path: Path) -> None:
    target = tmp_path / "target"
    with staged_file(target) as file:
        (partial,) = tmp_path.iterdir()
        assert stat.S_IMODE(partial.stat().st_mode) == 0o600
        file.write(b"content")
        assert not target.exists()
    assert names(tmp_path) == ["target"]
    assert target.read_bytes() == b"content"
    assert stat.S_IMODE(target.stat().st_mode) == 0o600


def test_a_failure_changes_nothing(tmp_path: Path) -> None:
    target = tmp_path / "target"
    target.write_text("old")
    with pytest.raises(ZeroDivisionError), staged_file(target) as file:
        file.write(b"half" * (1 // 0))
    assert names(tmp_path) == ["target"]
    assert target.read_text() == "old"


def test_one_at_a_time(tmp_path: Path) -> None:
    with staging_folder(tmp_path) as folder:
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        with pytest.raises(Conflict), staged_file(tmp_path / "other"):
            raise AssertionError
        with pytest.raises(Conflict), staging_folder(tmp_path):
            raise AssertionError
        assert folder.is_dir()
    assert names(tmp_path) == []
    with staging_folder(tmp_path):
        pass


def test_leftovers(tmp_path: Path) -> None:
    (tmp_path / "precious").write_text("x")
    old = tmp_path / ".caucase-partial-old"
    old.mkdir()
    (old / "deep").mkdir()
    (tmp_path / ".caucase-partial-link").symlink_to(tmp_path / "precious")
    with staging_folder(tmp_path) as folder:
        assert names(tmp_path) == sorted([folder.name, "precious"])
    assert names(tmp_path) == ["precious"]


def test_publishing_replaces_nothing(tmp_path: Path) -> None:
    staged, target = tmp_path / "staged", tmp_path / "target"
    staged.write_text("new")
    target.write_text("old")
    with pytest.raises(Conflict):
        publish(staged, target)
    assert target.read_text() == "old"
    target.unlink()
    target.symlink_to("nowhere")
    with pytest.raises(Conflict):
        publish(staged, target)
    target.unlink()
    publish(staged, target)
    assert target.read_text() == "new"


def test_in_memory(tmp_path: Path) -> None:
    shared = Path("/dev/shm")
    left = shared / f".caucase-partial-{os.geteuid()}-left-by-a-test"
    left.mkdir(mode=0o700)
    (left / "x").write_text("half")
    with passing_folder(1000, beside=tmp_path) as folder:
        assert folder.parent == shared
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700
        assert not left.exists()
        # A second one at the same time leaves the first alone.
        with passing_folder(1000, beside=tmp_path) as second:
            assert folder.is_dir()
            assert second != folder
    assert not folder.exists()
    assert not second.exists()
    assert names(tmp_path) == []


@pytest.mark.root("give a folder away")
def test_in_memory_what_is_somebody_elses_stays(tmp_path: Path) -> None:
    foreign = Path("/dev/shm") / f".caucase-partial-{os.geteuid()}-of-another"
    foreign.mkdir()
    try:
        os.chown(foreign, 64_123, 64_123)
        with passing_folder(1000, beside=tmp_path):
            assert foreign.is_dir()
    finally:
        foreign.rmdir()


def test_in_memory_what_is_gone_meanwhile(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of another process, which has ended between the look and the touch."""
    gone = Path("/dev/shm/.caucase-partial-gone")
    monkeypatch.setattr(Path, "glob", lambda *_: iter([gone]))
    with passing_folder(1000, beside=tmp_path) as folder:
        assert folder.is_dir()


@pytest.mark.parametrize("times", [1, 9])
def test_in_memory_another_takes_ours_for_left_over(
    times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As long as it is not locked yet."""
    made: list[Path] = []
    make = tempfile.mkdtemp

    def taken_away(**where: Any) -> str:
        made.append(Path(make(**where)))
        if len(made) <= times:
            made[-1].rmdir()
        return str(made[-1])

    monkeypatch.setattr(tempfile, "mkdtemp", taken_away)
    with passing_folder(1000, beside=tmp_path) as folder:
        assert folder.is_dir()
        assert made[times:] == [folder]
    assert not folder.exists()


def test_no_room_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with passing_folder(1 << 60, beside=tmp_path) as folder:
        assert folder.parent == tmp_path
    monkeypatch.setattr(staging, "_SHARED_MEMORY", Path("/nowhere"))
    with passing_folder(1, beside=tmp_path) as folder:
        assert folder.parent == tmp_path
    assert names(tmp_path) == []
