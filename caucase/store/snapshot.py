"""The whole database as a stream of lines, and back: what is inside a backup (``docs/backup-format.md``).

The lines are data, never statements: reading them creates the schema of the version that the first line names, inserts
rows into the tables of that schema, and then runs the migrations that came later. Nothing in a stream is executed or
becomes part of a statement.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import sqlite3
import stat
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias, TypeGuard

from caucase.core.message import load_json, load_json_object
from caucase.core.record import Kind, parse_serial_text
from caucase.errors import Malformed, StoreError
from caucase.store import record
from caucase.store.db import Database, Transaction, migrate, store_errors
from caucase.store.record import Position
from caucase.store.schema import MIGRATIONS

MARK = b'{"caucase_snapshot": '
"""How every such stream begins."""

_FORMAT = 1

_FIRST_WITH_RECORD = 2  # the schema

# Far more than any row: a request or certificate has 64 KiB at most (PEM_LIMIT).
LINE_LIMIT = 1 << 20

# Lists can be large and say nothing that other tables do not: they are made again. Who waits is counted again.
_LEFT_OUT = frozenset({"crl", "crl_part", "pending"})

_Value: TypeAlias = int | str | bytes | None

# SQLite itself would take anything in any column; whoever reads the database later would not.
_KINDS: dict[str, type] = {"INTEGER": int, "TEXT": str, "BLOB": bytes}

# Texts of which only some mean anything, by the names of their columns, in whichever table and schema those are.
_TEXTS: dict[str, Callable[[str], object]] = {
    "serial": parse_serial_text, "renewed_from": parse_serial_text, "kind": Kind,
}  # fmt: skip


@dataclass(frozen=True, kw_only=True)
class _Column:
    name: str
    kind: type

    def holds(self, value: _Value) -> bool:
        """Whether it is a value that this column can have."""
        if value is None:  # SQLite knows where there must be one
            return True
        if type(value) is not self.kind:
            return False
        if parse := _TEXTS.get(self.name):
            try:
                parse(str(value))
            except ValueError:
                return False
        return True


@dataclass(frozen=True, kw_only=True)
class SnapshotHead:
    """``schema``: the number of migrations that had been run. ``taken_at``: Unix seconds. ``record``: how far the
    record of each context reached; none before there was one.
    """

    schema: int
    taken_at: int
    record: Mapping[str, Position]


def dump(transaction: Transaction, *, taken_at: int) -> Iterator[bytes]:
    """The database as ``transaction`` sees it, a line at a time; ``taken_at`` in Unix seconds."""
    schema = transaction.execute("PRAGMA user_version").fetchone()[0]
    heads = {
        context: {"number": head.number, "hash": head.hash.hex()}
        for context, head in record.heads(transaction).items()
    }
    yield _line({"caucase_snapshot": _FORMAT, "schema": schema, "taken_at": taken_at, "record": heads})
    counts = {}
    for table, columns in _tables(transaction).items():
        yield _line({"table": table, "columns": columns})
        counts[table] = 0
        # In the order of insertion, which matters between rows of the same second.
        for row in transaction.execute(f"SELECT {', '.join(columns)} FROM {table} NOT INDEXED"):
            yield _line([_to_json(value) for value in row])
            counts[table] += 1
    yield _line({"end": counts})


def size_estimate(transaction: Transaction) -> int:
    """About how many bytes ``dump`` will give, to show progress by."""
    pages, size = (
        transaction.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size")
    )
    estimate: int = pages * size
    return estimate


def load(chunks: Iterable[bytes], path: Path) -> SnapshotHead:
    """Make a database at ``path``, where none is, out of what ``dump`` gave; a file is left behind on failure.

    Malformed if that is not what it is; StoreError if a newer release made it, or the database cannot be written;
    OSError, also when there is a file already.
    """
    lines = _lines(chunks)
    head = _head(next(lines, b""))
    path.touch(mode=stat.S_IRUSR | stat.S_IWUSR, exist_ok=False)
    with store_errors(path), contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        # Nobody sees the file before it is complete, so nothing has to be undone.
        connection.execute("PRAGMA journal_mode=OFF")
        connection.execute("PRAGMA synchronous=OFF")
        connection.execute("BEGIN")
        migrate(connection, 0, head.schema)
        _insert(connection, lines)
        if head.schema >= _FIRST_WITH_RECORD and record.heads(connection) != head.record:
            raise Malformed("The record in the backup does not reach as far as its first line says.")
        connection.execute("COMMIT")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("PRAGMA journal_mode=WAL")
    Database(path, create=False).close()  # runs the migrations that came later
    return head


def _head(line: bytes) -> SnapshotHead:
    if not line.startswith(MARK):
        raise Malformed("What is in the backup is not a copy of a database of this program.")
    fields = load_json_object(line, "head of the backup's content")
    schema, taken_at = fields.get("schema"), fields.get("taken_at")
    if fields["caucase_snapshot"] != _FORMAT or not _is_number(schema) or schema > len(MIGRATIONS):
        raise StoreError(
            "The backup was made by a newer release.", "Install that release, and restore with it."
        )
    if schema < 1 or not _is_number(taken_at):
        raise _not_ours()
    return SnapshotHead(schema=schema, taken_at=taken_at, record=_heads(fields.get("record", {})))


def _heads(value: object) -> dict[str, Position]:
    try:
        items: Any = value
        return {
            context: Position(number=head["number"], hash=bytes.fromhex(head["hash"]))
            for context, head in items.items()
        }
    except (AttributeError, KeyError, TypeError, ValueError):
        raise _not_ours() from None


def _insert(connection: Transaction, lines: Iterator[bytes]) -> None:
    """All rows, up to the line that ends it, which must be the last."""
    tables = _tables(connection)
    counts: dict[str, int] = {}
    table = statement = ""
    columns: list[_Column] = []
    for line in lines:
        if line.startswith(b"["):
            if not table:
                raise _not_ours()
            _execute(connection, statement, _row(line, columns))
            counts[table] += 1
            continue
        fields = load_json_object(line, "content of the backup")
        if "end" in fields:
            if fields["end"] != counts or next(lines, None) is not None:
                raise _not_ours()
            return
        table, names = fields.get("table", ""), fields.get("columns")
        if not isinstance(table, str) or table not in tables or table in counts or names != tables[table]:
            raise _not_ours()
        counts[table], columns = 0, _columns(connection, table)
        # The names are those of the schema, to which those in the stream are equal.
        statement = f"INSERT INTO {table} VALUES ({', '.join('?' * len(tables[table]))})"
    raise Malformed("The content of the backup is cut off.")


def _execute(connection: Transaction, statement: str, row: list[_Value]) -> None:
    try:
        connection.execute(statement, row)
    except (sqlite3.IntegrityError, OverflowError, UnicodeEncodeError):
        raise _not_ours() from None


def _tables(transaction: Transaction) -> dict[str, list[str]]:
    """The tables that are copied, with their columns, both in a fixed order."""
    names = transaction.execute(
        "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite%' ORDER BY name"
    ).fetchall()
    return {
        name: [column for (column,) in transaction.execute("SELECT name FROM pragma_table_info(?)", (name,))]
        for (name,) in names
        if name not in _LEFT_OUT
    }


def _columns(transaction: Transaction, table: str) -> list[_Column]:
    found = transaction.execute("SELECT name, type FROM pragma_table_info(?)", (table,))
    return [_Column(name=name, kind=_KINDS[kind]) for name, kind in found]


def _line(value: Any) -> bytes:
    line = json.dumps(value).encode("ascii") + b"\n"
    if len(line) > LINE_LIMIT:
        raise StoreError("The database holds a row that is too large for a backup.")
    return line


def _lines(chunks: Iterable[bytes]) -> Iterator[bytes]:
    """The lines, without their ends; Malformed for one that is too long, or has no end."""
    rest = b""
    for chunk in chunks:
        start = 0
        while (end := chunk.find(b"\n", start)) >= 0:
            yield rest + chunk[start:end]
            rest, start = b"", end + 1
        rest += chunk[start:]
        if len(rest) > LINE_LIMIT:
            raise _not_ours()
    if rest:
        raise Malformed("The content of the backup is cut off.")


def _to_json(value: _Value) -> Any:
    return {"base64": base64.b64encode(value).decode("ascii")} if isinstance(value, bytes) else value


def _row(line: bytes, columns: list[_Column]) -> list[_Value]:
    values = load_json(line, "content of the backup")
    if not isinstance(values, list) or len(values) != len(columns):
        raise _not_ours()
    row = [_value(value) for value in values]
    if not all(column.holds(value) for column, value in zip(columns, row, strict=True)):
        raise _not_ours()
    return row


def _value(value: Any) -> _Value:
    if value is None or isinstance(value, str) or _is_number(value):
        return value
    if isinstance(value, dict) and list(value) == ["base64"]:
        with contextlib.suppress(binascii.Error, TypeError, ValueError):
            return base64.b64decode(value["base64"], validate=True)
    raise _not_ours()


def _is_number(value: Any) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)


def _not_ours() -> Malformed:
    return Malformed("The content of the backup is not what a backup of this program holds.")
