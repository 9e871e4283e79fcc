"""Opening the database, and its transactions."""

from __future__ import annotations

import os
import queue
import sqlite3
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from caucase.errors import StoreError
from caucase.store import Database, Transaction, Write, requests
from caucase.store.schema import APPLICATION_ID, MIGRATIONS
from caucase.store.settings import count, counter, first_setting, generations, setting

ROOT = Path(__file__).parents[2]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "caucase.sqlite"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    with Database(path) as opened:
        yield opened


def step(transaction: Transaction, name: str = "n") -> int:
    return count(transaction, "cas", name)


def value(database: Database, name: str = "n") -> int:
    with database.read() as transaction:
        return counter(transaction, "cas", name)


def raw(path: Path) -> sqlite3.Connection:
    return sqlite3.connect(path, isolation_level=None)


def test_fresh_database_is_nobody_elses(database: Database, path: Path) -> None:
    database.write(step)
    assert sorted(other.name for other in path.parent.iterdir()) == [
        path.name + end for end in ("", "-shm", "-turn", "-wal")
    ]
    for file in path.parent.iterdir():
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_mask_does_not_matter(path: Path) -> None:
    before = os.umask(0)
    try:
        with Database(path) as database:
            database.write(step)
            assert {stat.S_IMODE(file.stat().st_mode) for file in path.parent.iterdir()} == {0o600}
    finally:
        os.umask(before)


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o666, 0o601])
def test_database_that_is_open_to_others_is_refused(path: Path, mode: int) -> None:
    Database(path).close()
    path.chmod(mode)
    with pytest.raises(StoreError, match="open to others"):
        Database(path)


def test_what_was_written_is_there_again(path: Path) -> None:
    with Database(path) as database:
        assert [database.write(step) for _ in range(3)] == [1, 2, 3]
    with Database(path, create=False) as database:
        assert value(database) == 3
        assert database.write(step) == 4


def test_no_database(path: Path) -> None:
    with pytest.raises(StoreError, match="no database"):
        Database(path, create=False)
    assert not path.exists()
    with pytest.raises(StoreError):
        Database(path / "no" / "folder")


def test_not_a_file(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for wrong in (tmp_path, tmp_path / "pipe"):
        with pytest.raises(StoreError):
            Database(wrong)


def test_not_a_database(path: Path) -> None:
    content = b"not a database, " * 100
    path.write_bytes(content)
    path.chmod(0o600)
    with pytest.raises(StoreError):
        Database(path)
    assert path.read_bytes() == content


@pytest.mark.parametrize("statement", ["CREATE TABLE cauca (key)", "PRAGMA application_id=7"])
def test_another_programs_database_is_refused_and_not_touched(path: Path, statement: str) -> None:
    connection = raw(path)
    connection.execute(statement)
    connection.close()
    path.chmod(0o600)
    before = path.read_bytes()
    with pytest.raises(StoreError, match="not a database of this release"):
        Database(path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_database_of_a_newer_release_is_refused(path: Path) -> None:
    Database(path).close()
    connection = raw(path)
    connection.execute(f"PRAGMA user_version={len(MIGRATIONS) + 1}")
    connection.close()
    with pytest.raises(StoreError, match="newer release"):
        Database(path)


def test_empty_file_becomes_a_database(path: Path) -> None:
    path.touch(mode=0o600)
    with Database(path) as database:
        assert database.write(step) == 1
    connection = raw(path)
    assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION_ID,)
    assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
    connection.close()


def test_failed_migration_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        "caucase.store.db.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE a (b);\nCREATE TABLE a (b);\n")
    )
    with pytest.raises(StoreError):
        Database(path)
    monkeypatch.undo()
    connection = raw(path)
    assert connection.execute("SELECT COUNT(*) FROM sqlite_master").fetchone() == (0,)
    connection.close()
    with Database(path) as database:
        assert database.write(step) == 1


def test_next_migration_keeps_what_is_there(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with Database(path) as database:
        database.write(step)
    monkeypatch.setattr("caucase.store.db.MIGRATIONS", (*MIGRATIONS, "CREATE TABLE later (a);\n"))
    with Database(path) as database:
        assert value(database) == 1
        database.write(lambda transaction: transaction.execute("INSERT INTO later VALUES (1)").rowcount)


def test_requests_from_before_are_counted_by_address(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("caucase.store.db.MIGRATIONS", MIGRATIONS[:1])
    insert = "INSERT INTO request (context, key_id, digest, csr, address, submitted_at) VALUES ('cas', x'', ?, x'', ?, 0)"
    with Database(path) as database:
        for digest, address in enumerate(("192.0.2.1", "192.0.2.1", "192.0.2.2")):
            row = (bytes([digest]), address)
            database.write(lambda transaction, row=row: transaction.execute(insert, row).rowcount)
    monkeypatch.undo()
    with Database(path) as database, database.read() as transaction:
        assert requests.count_pending_of(transaction, "cas", "192.0.2.1") == 2
        plan = transaction.execute(
            "EXPLAIN QUERY PLAN SELECT COUNT(*) FROM request"
            " WHERE context = 'cas' AND network = 'x' AND certificate IS NULL"
        ).fetchone()[-1]
        assert "request_network" in plan


@pytest.mark.parametrize("connection", ["reader", "writer"])
def test_each_commit_is_synced(database: Database, connection: str) -> None:
    def pragmas(transaction: Transaction) -> list[object]:
        names = ("synchronous", "journal_mode", "foreign_keys")
        return [transaction.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    if connection == "writer":
        found = database.write(pragmas)
    else:
        with database.read() as transaction:
            found = pragmas(transaction)
    assert found == [2, "wal", 1]  # https://www.sqlite.org/pragma.html#pragma_synchronous: 2 is FULL


def test_result_comes_after_the_commit(database: Database, path: Path) -> None:
    """Another connection sees it as soon as write() has returned."""
    connection = raw(path)
    for number in range(1, 20):
        assert database.write(step) == number
        assert connection.execute("SELECT value FROM counter").fetchone() == (number,)
    connection.close()


def test_what_fails_is_undone_alone(database: Database) -> None:
    """All in one batch, because the first waits until the others are queued."""
    begun, queued = threading.Event(), threading.Event()
    committed: list[int] = []

    def first(transaction: Transaction) -> int:
        begun.set()
        queued.wait(10)
        return step(transaction)

    def failing(transaction: Transaction) -> None:
        step(transaction)
        step(transaction, "other")
        raise KeyError("mine")

    def constraint(transaction: Transaction) -> None:
        step(transaction)
        transaction.execute("INSERT INTO setting VALUES ('a', NULL)")

    def look(transaction: Transaction) -> int:
        committed.append(value(database))  # through another connection: what is on disk
        return step(transaction)

    with ThreadPoolExecutor(8) as pool:
        blocker = pool.submit(database.write, first)
        assert begun.wait(10)  # alone in its batch, so that the others are together in the next
        others = [pool.submit(database.write, work) for work in (failing, look, constraint, look)]
        deadline = time.monotonic() + 10
        while database._queue.qsize() < 4 and time.monotonic() < deadline:
            time.sleep(0.001)
        queued.set()
        assert blocker.result(10) == 1
        with pytest.raises(KeyError, match="mine"):
            others[0].result(10)
        with pytest.raises(StoreError, match="constraint"):
            others[2].result(10)
        assert {others[1].result(10), others[3].result(10)} == {2, 3}
    assert value(database) == 3
    assert value(database, "other") == 0


def test_commit_is_shared(database: Database) -> None:
    """What runs together in one transaction sees each other's work before any of it is on disk."""
    release, entered = threading.Event(), threading.Event()
    seen: list[int] = []

    def block(transaction: Transaction) -> None:
        entered.set()
        release.wait(10)
        step(transaction)

    def work(transaction: Transaction) -> int:
        seen.append(value(database))
        return step(transaction)

    with ThreadPoolExecutor(11) as pool:
        pool.submit(database.write, block)
        entered.wait(10)
        futures = [pool.submit(database.write, work) for _ in range(10)]
        while database._queue.qsize() < 10:
            pass
        release.set()
        assert sorted(future.result(10) for future in futures) == list(range(2, 12))
    assert seen == [1] * 10


def test_failed_commit_fails_all_of_its_batch(database: Database) -> None:
    def doom(transaction: Transaction) -> None:
        transaction.execute("PRAGMA defer_foreign_keys=ON")
        transaction.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        transaction.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        transaction.execute("INSERT INTO child VALUES (1)")

    with pytest.raises(StoreError, match="FOREIGN KEY"):
        database.write(doom)
    assert database.write(step) == 1
    assert database.write(
        lambda t: t.execute("SELECT COUNT(*) FROM sqlite_master WHERE name='child'").fetchone()
    ) == (0,)


def test_nobody_is_told_of_what_is_undone(database: Database) -> None:
    """Who is refused because of another write of the same batch hears of it only if that is kept."""
    begun, queued = threading.Event(), threading.Event()

    def first(transaction: Transaction) -> None:
        begun.set()
        queued.wait(10)

    def refused(transaction: Transaction) -> None:
        assert counter(transaction, "cas", "n") == 1
        raise KeyError("there is one already")

    def doom(transaction: Transaction) -> None:
        transaction.execute("CREATE TABLE parent (id INTEGER PRIMARY KEY)")
        transaction.execute("CREATE TABLE child (id REFERENCES parent DEFERRABLE INITIALLY DEFERRED)")
        transaction.execute("INSERT INTO child VALUES (1)")

    told: queue.SimpleQueue[Exception | None] = queue.SimpleQueue()
    for number, work in enumerate((first, step, refused, doom)):
        database.submit(Write(work, lambda _, error: told.put(error)))
        if not number:
            assert begun.wait(10)  # alone in its batch, so that the others are together in the next
    queued.set()
    assert told.get(timeout=10) is None
    for _ in range(3):
        error = told.get(timeout=10)
        assert isinstance(error, StoreError)
        assert "FOREIGN KEY" in str(error)
    assert value(database) == 0


def test_commit_in_this_thread(database: Database) -> None:
    """Everybody hears, in order, after the commit; who fails undoes nothing of the others."""
    told: list[object] = []

    def done(result: object, error: Exception | None) -> None:
        told.append((result, error, value(database)))

    def refused(transaction: Transaction) -> None:
        step(transaction)
        raise KeyError("no")

    database.commit([Write(work, done) for work in (step, refused, step)])
    assert [(result, type(error), stored) for result, error, stored in told] == [
        (1, type(None), 2),
        (None, KeyError, 2),
        (2, type(None), 2),
    ]


def test_many_writers(database: Database) -> None:
    with ThreadPoolExecutor(16) as pool:
        results = list(pool.map(lambda _: database.write(step), range(500)))
    assert sorted(results) == list(range(1, 501))
    assert value(database) == 500


def test_read_is_one_view(database: Database) -> None:
    with database.read() as transaction:
        assert counter(transaction, "cas", "n") == 0
        other = threading.Thread(target=database.write, args=(step,))
        other.start()
        other.join(10)
        assert counter(transaction, "cas", "n") == 0
    assert value(database) == 1


def test_read_ends_also_when_it_fails(database: Database) -> None:
    with pytest.raises(ZeroDivisionError), database.read():
        _ = 1 / 0
    with pytest.raises(StoreError), database.read() as transaction:
        transaction.execute("SELECT * FROM nothing")
    assert value(database) == 0


def test_close_finishes_what_was_asked_for(path: Path) -> None:
    database = Database(path)
    release, entered = threading.Event(), threading.Event()

    def block(transaction: Transaction) -> int:
        entered.set()
        release.wait(10)
        return step(transaction)

    with ThreadPoolExecutor(20) as pool:
        futures = [pool.submit(database.write, block)]
        entered.wait(10)
        futures += [pool.submit(database.write, step) for _ in range(10)]
        while database._queue.qsize() < 10:
            pass
        closing = pool.submit(database.close)
        release.set()
        closing.result(10)
        assert sorted(future.result(10) for future in futures) == list(range(1, 12))
    with Database(path) as again:
        assert value(again) == 11


def test_closed_database(path: Path) -> None:
    database = Database(path)
    database.write(step)
    database.close()
    database.close()
    with pytest.raises(StoreError):
        database.write(step)
    with pytest.raises(StoreError), database.read():
        pass


def test_another_process_waits_for_its_turn(database: Database, path: Path) -> None:
    """A short transaction elsewhere delays a write, and does not fail it."""
    connection = sqlite3.connect(path, isolation_level=None, check_same_thread=False)
    connection.execute("BEGIN IMMEDIATE")
    timer = threading.Timer(0.3, lambda: connection.execute("COMMIT"))
    timer.start()
    assert database.write(step) == 1
    timer.join()
    connection.close()


WRITER = """
import sys
from pathlib import Path
from caucase.store import Database
from caucase.store.settings import count

with Database(Path(sys.argv[1])) as database:
    print(*(database.write(lambda transaction: count(transaction, "cas", "n")) for _ in range(100)))
"""


def test_several_processes(path: Path) -> None:
    """They also race to create it."""
    command = [sys.executable, "-c", WRITER, str(path)]
    pipe = subprocess.PIPE
    processes = [subprocess.Popen(command, cwd=ROOT, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    outputs = [process.communicate(timeout=60) for process in processes]
    assert [process.returncode for process in processes] == [0] * 4, outputs
    assert sorted(int(number) for output, _ in outputs for number in output.split()) == list(range(1, 401))


def test_opening_again_does_not_drop_the_locks_of_the_first(database: Database, path: Path) -> None:
    """POSIX locks belong to the process: https://www.sqlite.org/howtocorrupt.html section 2.2.

    Were they lost, the other process would take itself for the last user and remove the log under our feet.
    """
    database.write(step)
    Database(path).close()
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path)], cwd=ROOT, timeout=60, check=True, capture_output=True
    )
    assert done.stdout.split()[-1] == b"101"
    assert path.with_name(path.name + "-wal").exists()
    assert database.write(step) == 102
    connection = raw(path)
    assert connection.execute("SELECT value FROM counter").fetchone() == (102,)
    connection.close()


def test_settings_keep_their_first_value(database: Database) -> None:
    assert database.write(lambda t: first_setting(t, "a", "1")) == "1"
    assert database.write(lambda t: first_setting(t, "a", "2")) == "1"
    with database.read() as transaction:
        assert (setting(transaction, "a"), setting(transaction, "b")) == ("1", None)


def test_counters(database: Database) -> None:
    with database.read() as transaction:
        assert counter(transaction, "cas", "n") == generations(transaction) == 0
    database.write(
        lambda t: [count(t, context, "ca_generation") for context in ("cau", "cas", "cas", "https")]
    )
    with database.read() as transaction:
        assert counter(transaction, "cas", "ca_generation") == 2
        assert generations(transaction) == 4


def test_a_database_that_was_moved_away_is_not_made_anew(path: Path, tmp_path: Path) -> None:
    """Nor is its log lost: SQLite would take that for a part of the new one, and delete it."""
    elsewhere = tmp_path / "elsewhere.sqlite"
    with Database(path) as database:
        database.write(step)
        path.rename(elsewhere)
        with ThreadPoolExecutor(1) as pool, pytest.raises(StoreError, match="moved or replaced"):
            pool.submit(value, database).result()
        assert not path.exists()
    assert not path.exists()
    elsewhere.rename(path)
    with Database(path) as database:
        assert value(database) == 1


def test_a_database_that_was_replaced_is_not_used(path: Path, tmp_path: Path) -> None:
    with Database(path) as database:
        database.write(step)
        path.rename(tmp_path / "old.sqlite")
        with Database(path) as other:
            with ThreadPoolExecutor(1) as pool, pytest.raises(StoreError, match="moved or replaced"):
                pool.submit(value, database).result()
            assert value(other) == 0


def test_a_folder_whose_name_is_no_text(tmp_path: Path) -> None:
    folder = tmp_path / os.fsdecode(b"\xff?#%41")
    folder.mkdir()
    with Database(folder / "caucase.sqlite") as database, database.read() as transaction:
        assert transaction.execute("PRAGMA user_version").fetchone()[0] == len(MIGRATIONS)
