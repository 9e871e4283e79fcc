"""Opens the database and runs transactions.

Reads run in the calling thread, each thread with a connection of its own. Writes go to one writer thread that
gathers what is waiting into one commit, so throughput does not depend on how often the disk can sync. What
``write`` has returned from is on disk (``synchronous=FULL``). Several processes may have the same database
open.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import queue
import sqlite3
import stat
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

from caucase.errors import Conflict, StoreError
from caucase.store.schema import APPLICATION_ID, MIGRATIONS

Transaction: TypeAlias = sqlite3.Connection  # a connection inside a transaction that its owner ends

_T = TypeVar("_T")

# How long to wait for another process's transaction, in seconds; those are as short as ours.
_BUSY_TIMEOUT = 30.0
# Enough to keep the disk busy, and few enough that the first of a batch does not wait for long.
_BATCH_LIMIT = 256
# What systemd answers to a service that has not been given the folder.
_READ_ONLY_HINT = "If systemd says so: add the folder to ReadWritePaths= of the services."
_OTHERS = stat.S_IRWXG | stat.S_IRWXO

COMPANIONS = ("-wal", "-shm", "-journal")
"""What SQLite has beside a database in use; what these are of, it takes for a part of any database of that name."""


def check_absent(path: Path) -> None:
    """Conflict if there is a database at ``path``, or something that SQLite would take for a part of a new one."""
    for there in (path, *(path.with_name(path.name + suffix) for suffix in COMPANIONS)):
        if os.path.lexists(there):
            raise Conflict(
                f"{there} exists already, and is never replaced.",
                "Move it away, or name another database with --db.",
            )


@dataclass(frozen=True)
class Write:
    """Work for a write transaction; ``done`` is told afterwards what it returned, or what was raised instead."""

    work: Callable[[Transaction], Any]
    done: Callable[[Any, Exception | None], None]


class _Undo(Exception):
    """Something has to be undone for one of several that share a transaction."""


class Database:
    """An open database. Thread-safe. Close it when done: it is a context manager."""

    def __init__(self, path: Path, *, create: bool = True, read_only: bool = False) -> None:
        """Open, and with ``create`` make, the database at ``path``; StoreError if it cannot be used.

        With ``read_only`` nothing is made or changed, not even what an older release has left.
        """
        self.path = path
        self._read_only = read_only
        self._local = threading.local()
        self._connections: list[sqlite3.Connection] = []
        self._turns: list[_Turn] = []
        self._lock = threading.Lock()
        self._queue: queue.SimpleQueue[Write | None] = queue.SimpleQueue()
        self._writer: threading.Thread | None = None
        self._closed = False
        _prepare_file(path, create=create and not read_only)
        self._identity = _identity(path)
        try:
            with store_errors(path):
                self._migrate()
        except BaseException:
            self.close()
            raise

    def __enter__(self) -> Database:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def read(self) -> contextlib.AbstractContextManager[Transaction]:
        """One consistent view of the database for the calling thread. Do not nest; do not write."""
        return _Reading(self)

    def write(self, work: Callable[[Transaction], _T]) -> _T:
        """Run ``work`` in a write transaction and return its result once that is on disk.

        ``work`` shares the commit with others and must be quick: it compares and sets, and never signs. It may be run a
        second time, after what it did was undone. If it raises, its changes alone are undone and the exception arrives
        here. StoreError when the commit fails.
        """
        future: Future[_T] = Future()

        def done(result: _T, error: Exception | None) -> None:
            if error is None:
                future.set_result(result)
            else:
                future.set_exception(error)

        self.submit(Write(work, done))
        return future.result()

    def submit(self, write: Write) -> None:
        """Like ``write``, for somebody who does not wait here: ``done`` is called in another thread."""
        with self._lock:
            if self._closed:
                raise StoreError(f"The database {self.path} is closed.")
            if self._writer is None:
                self._writer = threading.Thread(
                    target=self._write_batches, name="database writer", daemon=True
                )
                self._writer.start()
            self._queue.put(write)

    def commit(self, batch: list[Write]) -> bool:
        """Commit in this thread, if nobody else is writing; False, and nothing is done, if somebody is.

        Whatever happens is told to each; it never raises.
        """
        return self._commit(batch, lambda _: None, wait=False)

    def settle(self) -> None:
        """Bring everything into the file itself, so that it can be moved without its log. StoreError if that
        cannot be: closing would not say so.
        """
        with store_errors(self.path):
            busy = self._own_connection().execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        if busy:
            raise StoreError(f"The database {self.path} could not be completed: it is in use.")

    def close(self) -> None:
        """Finish the writes that were asked for and close all connections."""
        with self._lock:
            self._closed = True
            writer, self._writer = self._writer, None
        if writer is not None:
            self._queue.put(None)
            writer.join()
        with self._lock:
            connections, self._connections = self._connections, []
            turns, self._turns = self._turns, []
        for connection in connections:
            connection.close()
        for turn in turns:
            turn.close()

    def _own_connection(self, purpose: str = "reading") -> sqlite3.Connection:
        """One of this thread's; another for writing, because work may read what was there before."""
        connection: sqlite3.Connection | None = getattr(self._local, purpose, None)
        if connection is None:
            connection = self._connect()
            setattr(self._local, purpose, connection)
        return connection

    def _own_turn(self) -> _Turn:
        turn: _Turn | None = getattr(self._local, "turn", None)
        if turn is None:
            turn = self._local.turn = _Turn(self.path)
            with self._lock:
                self._turns.append(turn)
        return turn

    def _connect(self) -> sqlite3.Connection:
        # Threads of a pool end without telling, so close() closes their connections from its own thread.
        # Never made here: a new file in the place of one that was moved away would have its log for its own, and SQLite
        # would delete that.
        if _identity(self.path) != self._identity:
            raise StoreError(
                f"The database {self.path} has been moved or replaced.", "Stop the server before doing that."
            )
        connection = sqlite3.connect(
            f"{self.path.absolute().as_uri()}?mode=rw",
            uri=True,
            timeout=_BUSY_TIMEOUT,
            isolation_level=None,
            check_same_thread=False,
        )
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA foreign_keys=ON")
        if self._read_only:
            # Opened like any other: what SQLite's own read-only mode leaves beside the file stays there.
            connection.execute("PRAGMA query_only=ON")
        with self._lock:
            if self._closed:
                connection.close()
                raise StoreError(f"The database {self.path} is closed.")
            self._connections.append(connection)
        return connection

    def _migrate(self) -> None:
        connection = self._own_connection()
        if _number(connection, "application_id") == APPLICATION_ID and _number(
            connection, "user_version"
        ) == len(MIGRATIONS):
            return
        self._check_ours(connection)  # before the first change: the journal mode is kept in the file
        if self._read_only:
            raise StoreError(
                f"{self.path} is empty, or was made by an older release.",
                "Start the server once: it brings its database up to date.",
            )
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("BEGIN IMMEDIATE")
        try:
            self._check_ours(connection)
            migrate(connection, _number(connection, "user_version"), len(MIGRATIONS))
        except BaseException:
            connection.execute("ROLLBACK")
            raise
        connection.execute("COMMIT")

    def _check_ours(self, connection: sqlite3.Connection) -> None:
        tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type='table'")}
        application_id = _number(connection, "application_id")
        if application_id != APPLICATION_ID and (tables or application_id):
            raise StoreError(
                f"{self.path} is not a database of this release.", "Name another file with --db."
            )
        if _number(connection, "user_version") > len(MIGRATIONS):
            raise StoreError(f"{self.path} was made by a newer release.", "Install that release again.")

    def _write_batches(self) -> None:
        while first := self._queue.get():
            # Whatever came while another process had its turn shares this one.
            self._commit([first], self._gather, wait=True)

    def _commit(self, batch: list[Write], gather: Callable[[list[Write]], None], *, wait: bool) -> bool:
        """Run a batch in one transaction, with what ``gather`` adds once it can begin.

        Everybody is told after the commit. Also of what was raised: "there is one already" may be about another write
        of this batch, which can still be undone.
        """
        outcomes: list[tuple[Any, Exception | None]] = []
        try:
            with self._own_turn().taken(wait=wait) as is_taken:
                if not is_taken:
                    return False
                gather(batch)
                outcomes = self._run(self._own_connection("writing"), batch)
        except Exception as error:  # noqa: BLE001 - everybody must hear of it, whatever it is
            outcomes = [(None, store_error(self.path, error)) for _ in batch]
        for write, (result, failure) in zip(batch, outcomes, strict=True):
            write.done(result, failure)
        return True

    def _run(self, connection: sqlite3.Connection, batch: list[Write]) -> list[tuple[Any, Exception | None]]:
        """What each has returned or raised, once it is on disk.

        Work that raises has usually changed nothing, so nobody has a savepoint at first; if there is something to
        undo, all of it is, and done again with one for each.
        """
        try:
            return self._attempt(connection, batch, savepoints=False)
        except _Undo:
            return self._attempt(connection, batch, savepoints=True)

    def _attempt(
        self, connection: sqlite3.Connection, batch: list[Write], *, savepoints: bool
    ) -> list[tuple[Any, Exception | None]]:
        outcomes: list[tuple[Any, Exception | None]] = []
        connection.execute("BEGIN IMMEDIATE")
        try:
            for write in batch:
                if savepoints:
                    connection.execute("SAVEPOINT job")
                changes = connection.total_changes
                try:
                    outcomes.append((write.work(connection), None))
                except Exception as error:
                    if not connection.in_transaction:  # SQLite gave up all of it: disk full, I/O error
                        raise
                    if savepoints:
                        connection.execute("ROLLBACK TO job")
                    elif connection.total_changes != changes:
                        raise _Undo from error
                    outcomes.append((None, store_error(self.path, error)))
                if savepoints:
                    connection.execute("RELEASE job")
            connection.execute("COMMIT")
        except BaseException:
            if connection.in_transaction:
                connection.execute("ROLLBACK")
            raise
        return outcomes

    def _gather(self, batch: list[Write]) -> None:
        """Add what else is waiting."""
        with contextlib.suppress(queue.Empty):
            while len(batch) < _BATCH_LIMIT:
                job = self._queue.get_nowait()
                if job is None:
                    self._queue.put(None)  # the end again, for the next call
                    return
                batch.append(job)


class _Reading:
    """A transaction that reads; a class, because every request has one or more, and a generator takes twice as long."""

    __slots__ = ("_connection", "_database")

    def __init__(self, database: Database) -> None:
        self._database = database

    def __enter__(self) -> Transaction:
        try:
            self._connection = self._database._own_connection()
            self._connection.execute("BEGIN")
        except sqlite3.Error as error:
            raise store_error(self._database.path, error) from error
        return self._connection

    def __exit__(self, _kind: object, error: BaseException | None, _traceback: object) -> None:
        try:
            self._connection.execute("ROLLBACK")
        except sqlite3.Error as failure:
            raise store_error(self._database.path, failure) from failure
        if isinstance(error, sqlite3.Error):
            raise store_error(self._database.path, error) from error


class _Turn:
    """Whose turn it is to write, among the processes that have the same database open.

    SQLite lets one write, too, but the others ask again and again, with longer and longer pauses; here the next one
    is woken (flock(2)). A file of its own: SQLite's locks on the database would go with any descriptor that is closed.
    """

    def __init__(self, path: Path) -> None:
        self._path = path.with_name(path.name + "-turn")
        self._descriptor = -1

    def close(self) -> None:
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    @contextlib.contextmanager
    def taken(self, *, wait: bool) -> Iterator[bool]:
        """Have the turn, after waiting for it or, as it says, not. OSError if the file cannot be made."""
        if self._descriptor < 0:
            flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
            self._descriptor = os.open(self._path, flags, stat.S_IRUSR | stat.S_IWUSR)
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            yield False
            return
        try:
            yield True
        finally:
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)


def schema_versions(path: Path) -> tuple[int, int]:
    """The version of the schema at ``path``, and the one that this release makes of it; nothing is changed.

    StoreError if it cannot be read, is not ours, or is newer.
    """
    _prepare_file(path, create=False)
    with store_errors(path):
        # Not read-only: what SQLite has to put beside the file is then removed again.
        uri = f"{path.absolute().as_uri()}?mode=rw"
        with contextlib.closing(sqlite3.connect(uri, uri=True, timeout=_BUSY_TIMEOUT)) as connection:
            found = _number(connection, "user_version")
            if _number(connection, "application_id") != APPLICATION_ID or found > len(MIGRATIONS):
                raise StoreError(f"{path} is not a database of this release.", "Name another file with --db.")
    return found, len(MIGRATIONS)


@contextlib.contextmanager
def store_errors(path: Path) -> Iterator[None]:
    """What SQLite says of the database at ``path``, as StoreError."""
    try:
        yield
    except sqlite3.Error as error:
        raise store_error(path, error) from error


def store_error(path: Path, error: Exception) -> Exception:
    """What SQLite says of the database at ``path``, as StoreError; any other exception as it is."""
    if isinstance(error, OSError):
        return StoreError(f"The database {path} cannot be used: {error.strerror}.")
    if not isinstance(error, sqlite3.Error):
        return error
    told = StoreError(f"The database {path} cannot be used: {error}.")
    told.__cause__ = error
    return told


def _prepare_file(path: Path, *, create: bool) -> None:
    """The file exists afterwards, and nobody but its owner can read or write it, nor could for an instant."""
    try:
        if create:
            with contextlib.suppress(FileExistsError):
                flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
                os.close(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR))
        # Never opened and closed when it exists: that would drop the locks SQLite holds on it in this process
        # (https://www.sqlite.org/howtocorrupt.html section 2.2).
        found = path.stat()
    except FileNotFoundError:
        raise StoreError(
            f"There is no database {path}.", "A server makes it when it first answers, once netloc is set."
        ) from None
    except OSError as error:
        hint = _READ_ONLY_HINT if error.errno == errno.EROFS else ""
        raise StoreError(f"The database {path} cannot be opened: {error.strerror}.", hint) from error
    if not stat.S_ISREG(found.st_mode):
        raise StoreError(f"{path} is not a file.")
    if found.st_mode & _OTHERS:
        raise StoreError(f"{path} holds the CA keys and is open to others.", f"Run: chmod 600 {path}")


def _identity(path: Path) -> tuple[int, int] | None:
    """Which file it is, ``None`` if there is none."""
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_dev, found.st_ino


def damage(transaction: Transaction) -> list[str]:
    """What SQLite finds wrong with the file, a sentence each; reads all of it."""
    found = [text for (text,) in transaction.execute("PRAGMA integrity_check")]
    return [] if found == ["ok"] else found


def migrate(connection: Transaction, start: int, end: int) -> None:
    """Bring the schema from one version to another, in the transaction that ``connection`` is in."""
    for migration in MIGRATIONS[start:end]:
        if callable(migration):
            migration(connection)
        else:
            for statement in _statements(migration):
                connection.execute(statement)
    connection.execute(f"PRAGMA application_id={APPLICATION_ID}")
    connection.execute(f"PRAGMA user_version={end}")


def _number(connection: sqlite3.Connection, pragma: str) -> int:
    value: int = connection.execute(f"PRAGMA {pragma}").fetchone()[0]
    return value


def _statements(script: str) -> Iterator[str]:
    """The statements of a migration; ``executescript`` would commit the transaction it runs in."""
    statement = ""
    for line in script.splitlines(keepends=True):
        statement += line
        if sqlite3.complete_statement(statement):
            yield statement
            statement = ""
