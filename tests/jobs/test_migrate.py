"""The former server's database, or a backup of its, becomes ours: as a whole, or nothing is there."""

from __future__ import annotations

import logging
import os
import secrets
import sqlite3
import stat
import threading
from contextlib import closing
from pathlib import Path

import pytest

from caucase.authority import examine
from caucase.config.schema import ServerConfig
from caucase.core.backup import Secrets, Writer, seal_secrets
from caucase.core.backup.header import IV_SIZE
from caucase.core.netloc import NetLoc
from caucase.errors import CaucaseError, ConfigError, Conflict, Malformed, NotConfigured, StoreError
from caucase.jobs import migrate as job
from caucase.jobs.migrate import migrate
from caucase.jobs.restore import drill, restore
from caucase.store import Database
from tests.authority.world import POLICY
from tests.former import FormerDatabase

from .office import Reports


@pytest.fixture
def former(clock, keys, make_csr) -> FormerDatabase:
    made = FormerDatabase(clock(), keys)
    made.add_all_cas()
    made.add_certificate("cau", 7, make_csr("alice", key=keys("ec:P-256", 1)))
    made.revoke("cas", 123)
    made.set("cascounter", {"crl_number": 40})
    return made


class Move:
    def __init__(self, former: FormerDatabase, folder: Path, clock) -> None:
        self.former = former
        self.source = folder / "old.sqlite"
        self.folder = folder / "new"
        self.folder.mkdir()
        self.config = ServerConfig(
            db=self.folder / "caucase.sqlite", netloc=POLICY.netloc, key_type=POLICY.key_type
        )
        self.clock = clock
        self.reports = Reports()

    def run(self, **changes: object):
        config = ServerConfig(**{**vars(self.config), **changes})  # type: ignore[arg-type]
        if not self.source.exists():
            self.former.save(self.source)
        return migrate(self.source, config, clock=self.clock, audit=self.reports)  # type: ignore[arg-type]


@pytest.fixture
def move(former: FormerDatabase, tmp_path: Path, clock) -> Move:
    return Move(former, tmp_path, clock)


def test_it_is_complete_and_private(move: Move) -> None:
    old_umask = os.umask(0)
    try:
        result = move.run()
    finally:
        os.umask(old_umask)
    assert (result.cas, result.certificates, result.revocations) == (3, 1, 1)
    assert [path.name for path in move.folder.iterdir()] == ["caucase.sqlite"]
    assert stat.S_IMODE(move.config.db.stat().st_mode) == 0o600
    with closing(Database(move.config.db, create=False)) as database:
        assert examine(database).problems == ()
    assert move.reports.names == ["taken_over"]


def test_the_address_is_kept(move: Move) -> None:
    move.run()
    with closing(sqlite3.connect(move.config.db)) as connection:
        (value,) = connection.execute("SELECT value FROM setting WHERE name = 'netloc'").fetchone()
    assert value == "ca.example.com:8009"


@pytest.mark.parametrize("name", ["caucase.sqlite", "caucase.sqlite-wal", "caucase.sqlite-journal"])
@pytest.mark.parametrize("kind", ["file", "link"])
def test_nothing_is_replaced(move: Move, name: str, kind: str) -> None:
    path = move.folder / name
    if kind == "link":
        path.symlink_to("nowhere")
    else:
        path.write_bytes(b"precious")
    with pytest.raises(Conflict):
        move.run()
    assert [one.name for one in move.folder.iterdir()] == [name]
    assert kind == "link" or path.read_bytes() == b"precious"
    assert move.reports.names == []


def test_one_that_appears_meanwhile_is_not_replaced(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    """As when a client's connection starts the server during a migration."""
    real = job.publish

    def late(staged: Path, target: Path) -> None:
        target.write_bytes(b"the server's")
        real(staged, target)

    # The moment cannot be met otherwise.
    monkeypatch.setattr(job, "publish", late)
    with pytest.raises(Conflict):
        move.run()
    assert {one.name: one.read_bytes() for one in move.folder.iterdir()} == {
        "caucase.sqlite": b"the server's"
    }


@pytest.mark.parametrize(
    ("changes", "error"),
    [({"netloc": None}, NotConfigured), ({"netloc": NetLoc.parse("other.example.com")}, ConfigError)],
)
def test_refused_before_there_is_anything(move: Move, changes, error) -> None:
    with pytest.raises(error):
        move.run(**changes)
    assert list(move.folder.iterdir()) == []


@pytest.mark.parametrize(
    ("content", "error"), [(b"", Malformed), (b"nonsense" * 1000, StoreError), (None, StoreError)]
)
def test_no_former_database(move: Move, content: bytes | None, error) -> None:
    if content is None:
        move.source.mkdir()
    else:
        move.source.write_bytes(content)
    with pytest.raises(error):
        move.run()
    assert list(move.folder.iterdir()) == []


def test_one_at_a_time(move: Move, monkeypatch: pytest.MonkeyPatch) -> None:
    inside, go_on = threading.Event(), threading.Event()
    real = job.take_over

    def slow(*arguments: object, **options: object):
        inside.set()
        assert go_on.wait(30)
        return real(*arguments, **options)  # type: ignore[arg-type]

    # The moment cannot be met otherwise.
    monkeypatch.setattr(job, "take_over", slow)
    first = threading.Thread(target=move.run)
    first.start()
    try:
        assert inside.wait(30)
        with pytest.raises(Conflict):
            move.run()
    finally:
        go_on.set()
        first.join()
    assert [path.name for path in move.folder.iterdir()] == ["caucase.sqlite"]


@pytest.fixture
def backup(former: FormerDatabase, tmp_path: Path, keys):
    """Makes a file as the peer would, with a dump inside, for the user's key."""

    def run(dump: bytes | None = None) -> Path:
        path = tmp_path / "20300101120000.sql.caucased"
        fresh = Secrets.fresh(secrets.token_bytes)
        entry = seal_secrets(fresh, keys("ec:P-256", 1).public_key())
        with path.open("wb") as file:
            writer = Writer(file, fresh, [entry], iv=secrets.token_bytes(IV_SIZE))
            writer.write(former.dump() if dump is None else dump)
            writer.close()
        return path

    return run


@pytest.fixture
def restored(move: Move, keys, make_csr):
    def run(backup: Path, **changes: object) -> None:
        config = ServerConfig(**{**vars(move.config), **changes})  # type: ignore[arg-type]
        with backup.open("rb") as file:
            restore(
                file, keys("ec:P-256", 1), make_csr("alice", key=keys("ec:P-256", 2)), config,
                published=(), deliver=lambda pem: None, clock=move.clock, audit=move.reports,  # type: ignore[arg-type]
            )  # fmt: skip

    return run


def test_a_backup_of_the_peer(move: Move, backup, restored, keys) -> None:
    made = backup()
    with made.open("rb") as file:
        found = drill(file, keys("ec:P-256", 1), beside=move.folder, clock=move.clock)
    assert found.examination.problems == ()
    restored(made)
    assert [path.name for path in move.folder.iterdir()] == ["caucase.sqlite"]
    with closing(Database(move.config.db, create=False)) as database:
        assert examine(database).problems == ()
        by_name = {content.name: content for content in examine(database).contents}
    assert by_name["cas"].revoked == 1
    assert by_name["cau"].revoked == 1  # of the key that opened it
    assert by_name["cas"].list_number > 40


def test_what_a_backup_has_and_cannot_be_used_is_said(
    former: FormerDatabase, backup, restored, caplog: pytest.LogCaptureFixture
) -> None:
    former.add_request("cas", 5, b"nonsense")
    with caplog.at_level(logging.WARNING):
        restored(backup())
    assert "left out: cas request 5: " in caplog.text


@pytest.mark.parametrize(
    "dump",
    [
        b"BEGIN TRANSACTION;\0",
        b"BEGIN TRANSACTION;\0ATTACH DATABASE 'x' AS x;\0COMMIT;\0",
        b"BEGIN TRANSACTION;\0CREATE TABLE casca (expiration_date INTEGER, key TEXT, crt TEXT);\0COMMIT;\0",
        b"BEGIN TRANSACTION; SELECT 1;\0COMMIT;\0",
    ],
)
def test_a_hostile_backup(move: Move, backup, restored, dump: bytes) -> None:
    with pytest.raises(CaucaseError) as caught:
        restored(backup(dump))
    assert "\n" not in str(caught.value)
    assert list(move.folder.iterdir()) == []
    assert not (Path.cwd() / "x").exists()


def test_a_backup_of_another_address(move: Move, backup, restored) -> None:
    for netloc in (NetLoc.parse("other.example.com"), None):
        with pytest.raises(ConfigError):
            restored(backup(), netloc=netloc)
        assert list(move.folder.iterdir()) == []
