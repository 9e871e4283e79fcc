"""What a database of caucase 0.9 holds, as it stands there: text and numbers, nothing parsed, nothing decided.

Reads the file of a server that is stopped, or tables that came another way (``legacy_dump``). It never writes
to that file, nor beside it, and refuses one that would have to be repaired first.
"""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from caucase.errors import Malformed, StoreError

Value: TypeAlias = bytes | int | None
Tables: TypeAlias = Mapping[str, Sequence[tuple[Value, ...]]]
"""Rows by table, in the order of ``TABLES``' columns; text is UTF-8."""

# Our name of a context → what the names of its tables begin with.
PREFIXES = {"cau": "cau", "cas": "cas", "https": "http_cas"}
_COLUMNS = {
    "ca": ("expiration_date", "key", "crt"),
    "crt": ("id", "key_id", "expiration_date", "csr", "crt"),
    "revoked": ("serial", "revocation_date", "expiration_date"),
    "counter": ("name", "value"),
    "config_once": ("name", "value"),
    "config": ("name", "value"),
}
TABLES = {prefix + kind: columns for prefix in PREFIXES.values() for kind, columns in _COLUMNS.items()}
# Releases before 0.9.9 have these, and no "config"; later ones leave some of them behind, empty.
OUTDATED_TABLES = frozenset(prefix + "crl" for prefix in PREFIXES.values())

_DECIMAL = re.compile(rb"[0-9]{1,60}")  # a serial has 20 octets, 49 digits
_ID_LIMIT = 1 << 63
_COUNTER_LIMIT = 1 << 62
_LAST_SECOND = 253402300799  # of the year 9999, where dates end
# What SQLite leaves beside a database in use, or one that was not closed.
_COMPANIONS = ("-journal", "-wal")
# File format: bytes 18 and 19 are 2 in WAL mode (https://www.sqlite.org/fileformat.html section 1.3).
_HEADER_SIZE, _FORMAT_VERSIONS, _WAL_MODE = 100, slice(18, 20), b"\2\2"
_NEVER_MODIFIED = "This file is only read, never repaired: see docs/moving.md."


@dataclass(frozen=True, kw_only=True)
class LegacyCa:
    """A CA, in PEM. ``repr`` never shows the key."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class LegacyRequest:
    """A request, in PEM; pending while there is no certificate. ``keep_until``: Unix seconds."""

    id: int
    csr_pem: bytes
    certificate_pem: bytes | None
    keep_until: int | None


@dataclass(frozen=True, kw_only=True)
class LegacyRevocation:
    """A revoked serial. Dates in Unix seconds; the life of a list is in ``keep_until`` already."""

    serial: int
    revoked_at: int
    keep_until: int


@dataclass(frozen=True, kw_only=True)
class LegacyContext:
    """One authority. ``auto_approve_count``: the locked one. ``last_list``: when the last list was made."""

    cas: tuple[LegacyCa, ...] = ()
    requests: tuple[LegacyRequest, ...] = ()
    revocations: tuple[LegacyRevocation, ...] = ()
    received_csr: int = 0
    crl_number: int = 0
    auto_approve_count: int | None = None
    last_list: int | None = None


@dataclass(frozen=True, kw_only=True)
class Legacy:
    """All of it, by context: cau, cas and https."""

    contexts: Mapping[str, LegacyContext]


def read_database(path: Path) -> Legacy:
    """What the database of caucase 0.9 at ``path`` holds.

    StoreError if it cannot be read as it is, Malformed if it is not one of 0.9.9 or later. The file, and
    the folder it is in, are as they were.
    """
    _check_closed(path)
    try:
        with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)) as connection:
            return interpret(_tables(connection, path))
    except Malformed as error:
        raise Malformed(f"{path}: {error.message}", error.hint) from None
    except sqlite3.Error as error:
        raise StoreError(f"{path} cannot be read: {error}.") from error


def interpret(tables: Tables) -> Legacy:
    """What tables of these names say; Malformed if they are not what 0.9.9 or later keeps."""
    if not tables:
        raise Malformed("It is not a database of caucase 0.9: none of its tables is there.")
    return Legacy(contexts={name: _context(tables, prefix) for name, prefix in PREFIXES.items()})


def check_release(tables: Collection[str]) -> None:
    """Malformed if the names of its tables are those of a release before 0.9.9."""
    for prefix in PREFIXES.values():
        if prefix + "crl" in tables and prefix + "config" not in tables:
            raise Malformed(
                "It is of a caucase before 0.9.9.",
                "Start caucased of caucase 0.9.17 on a copy of it once, then migrate that copy.",
            )


def _check_closed(path: Path) -> None:
    try:
        with path.open("rb") as file:
            header = file.read(_HEADER_SIZE)
        leftovers = [
            name
            for suffix in _COMPANIONS
            if (name := path.with_name(path.name + suffix)).exists() and name.stat().st_size
        ]
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}.") from error
    if leftovers:
        raise StoreError(
            f"{path} is in use, or was not closed: there is {leftovers[0].name} beside it.", _NEVER_MODIFIED
        )
    if header[_FORMAT_VERSIONS] == _WAL_MODE:
        raise StoreError(f"{path} is not as caucase 0.9 leaves it: it is in WAL mode.", _NEVER_MODIFIED)


def _tables(connection: sqlite3.Connection, path: Path) -> Tables:
    connection.text_factory = bytes
    # The schema of a stranger's file is not trusted: no view or trigger of it can run anything.
    connection.execute("PRAGMA trusted_schema=OFF")
    connection.execute("PRAGMA cell_size_check=ON")
    connection.execute("BEGIN")
    damage = connection.execute("PRAGMA quick_check(1)").fetchone()[0]
    if damage != b"ok":
        raise StoreError(f"{path} is damaged: {damage.decode('utf-8', 'replace')}.")
    rows = connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    present = {name.decode("utf-8", "replace") for (name,) in rows}
    check_release(present)
    return {
        table: connection.execute(f'SELECT {", ".join(columns)} FROM "{table}"').fetchall()
        for table, columns in TABLES.items()
        if table in present
    }


def _context(tables: Tables, prefix: str) -> LegacyContext:
    missing = [kind for kind in _COLUMNS if prefix + kind not in tables]
    if len(missing) == len(_COLUMNS):
        return LegacyContext()  # that server never started, its database came from an import
    if missing:
        raise Malformed(f"It is not a database of caucase 0.9: the table {prefix}{missing[0]} is missing.")
    counters = {_bytes(name): _below(_COUNTER_LIMIT, value) for name, value in tables[prefix + "counter"]}
    once = {_bytes(name): value for name, value in tables[prefix + "config_once"]}
    config = {_bytes(name): value for name, value in tables[prefix + "config"]}
    return LegacyContext(
        cas=tuple(
            LegacyCa(certificate_pem=_bytes(crt), key_pem=_bytes(key))
            for _expiration, key, crt in tables[prefix + "ca"]
        ),
        requests=tuple(
            LegacyRequest(
                id=_below(_ID_LIMIT, number),
                csr_pem=b"" if csr is None else _bytes(csr),
                certificate_pem=None if crt is None else _bytes(crt),
                keep_until=None if expiration is None else _seconds(expiration),
            )
            for number, _key_id, expiration, csr, crt in tables[prefix + "crt"]
        ),
        revocations=tuple(
            LegacyRevocation(
                serial=_number(serial), revoked_at=_seconds(revoked), keep_until=_seconds(expiration)
            )
            for serial, revoked, expiration in tables[prefix + "revoked"]
        ),
        received_csr=counters.get(b"received_csr", 0),
        crl_number=counters.get(b"crl_number", 0),
        auto_approve_count=_optional(once.get(b"auto_sign_csr_amount")),
        last_list=None if (last := _optional(config.get(b"crl_last_update"))) is None else _seconds(last),
    )


def _bytes(value: Value) -> bytes:
    if not isinstance(value, bytes):
        raise _wrong("text")
    return value


def _below(limit: int, value: Value) -> int:
    if not isinstance(value, int) or not 0 <= value < limit:
        raise _wrong("a number")
    return value


def _seconds(value: Value) -> int:
    if not isinstance(value, int) or not 0 <= value <= _LAST_SECOND:
        raise _wrong("a date")
    return value


def _number(value: Value) -> int:
    """A number of any size, kept as text."""
    if isinstance(value, int):
        return _below(_COUNTER_LIMIT, value)
    if not isinstance(value, bytes) or not _DECIMAL.fullmatch(value):
        raise _wrong("a number")
    return int(value)


def _optional(value: Value) -> int | None:
    return None if value is None else _number(value)


def _wrong(expected: str) -> Malformed:
    return Malformed(f"It is not a database of caucase 0.9: something else stands where {expected} should.")
