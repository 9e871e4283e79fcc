"""Root with the rights of a folder's owner, and back."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from caucase.host.owner import as_owner_of

OTHER = 12345


def identity() -> tuple[int, int, list[int]]:
    return os.geteuid(), os.getegid(), os.getgroups()


def test_root_makes_files_of_the_owner(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = identity()
    if before[0] == 0:
        os.chown(tmp_path, OTHER, OTHER + 1)
        # pytest's own folders above let nobody else in.
        monkeypatch.chdir(tmp_path)
    with as_owner_of(tmp_path):
        inside = identity()
        Path("made" if before[0] == 0 else tmp_path / "made").touch()
    assert identity() == before
    made = (tmp_path / "made").stat()
    assert inside == ((OTHER, OTHER + 1, [OTHER + 1]) if before[0] == 0 else before)
    assert (made.st_uid, made.st_gid) == inside[:2]


def test_root_again_after_an_error(tmp_path: Path) -> None:
    before = identity()
    if before[0] == 0:
        os.chown(tmp_path, OTHER, OTHER)
    with pytest.raises(OSError, match="of its own"), as_owner_of(tmp_path):
        raise OSError("of its own")
    assert identity() == before


def test_no_folder_and_own_folder_change_nothing(tmp_path: Path) -> None:
    before = identity()
    for folder in (tmp_path, tmp_path / "missing"):
        with as_owner_of(folder):
            assert identity() == before
