"""A database that is moved without its log has everything in it, or says that it has not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from caucase.errors import StoreError
from caucase.store import Database
from caucase.store.settings import count, counter


def test_everything_is_in_the_file_itself(tmp_path: Path) -> None:
    with Database(tmp_path / "a.sqlite") as database:
        for _ in range(3):
            database.write(lambda transaction: count(transaction, "cas", "n"))
        database.settle()
        shutil.copyfile(tmp_path / "a.sqlite", tmp_path / "b.sqlite")
    (tmp_path / "b.sqlite").chmod(0o600)
    with Database(tmp_path / "b.sqlite", create=False) as moved, moved.read() as transaction:
        assert counter(transaction, "cas", "n") == 3


def test_somebody_reads_what_was_before(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.store.db._BUSY_TIMEOUT", 0.05)
    path = tmp_path / "a.sqlite"
    with Database(path) as database, Database(path) as other, other.read() as transaction:
        assert counter(transaction, "cas", "n") == 0
        database.write(lambda transaction: count(transaction, "cas", "n"))
        with pytest.raises(StoreError, match=r"in use|locked"):
            database.settle()
